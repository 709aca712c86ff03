"""Scores kept students on HANS, PAWS-QQP and AdvGLUE again, with plain transformers and scikit-learn alone.

    python benchmarks/further_sets.py RESULTS OOD

RESULTS is a results folder whose study had `--also hans-regenerated,paws,advglue --also-dir OOD`. Rows are read with
csv and json, students are loaded from `students/`. Prints a line for each run and set, and ends with exit code 1 if a
score differs by more than two answers: rows are batched otherwise here, which changes the last bits of logits.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer

BATCH = 64
TOLERATED = 2  # answers
FIELDS = {
    "sst2": ("sentence",),
    "qqp": ("question1", "question2"),
    "mnli": ("premise", "hypothesis"),
    "mnli-mm": ("premise", "hypothesis"),
    "qnli": ("question", "sentence"),
    "rte": ("sentence1", "sentence2"),
}
LABELS = {
    "sst2": ("negative", "positive"),
    "qqp": ("not_duplicate", "duplicate"),
    "mnli": ("entailment", "neutral", "contradiction"),
    "mnli-mm": ("entailment", "neutral", "contradiction"),
    "qnli": ("entailment", "not_entailment"),
    "rte": ("entailment", "not_entailment"),
}


def rows_of(name: str, folder: Path) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return texts and labels of a set, the labels by name."""
    if name.startswith("advglue-"):
        part = name.removeprefix("advglue-")
        rows = json.loads((folder / "AdvGLUE" / "dev.json").read_text(encoding="utf-8"))[part]
        texts = [tuple(row[field] for field in FIELDS[part]) for row in rows]
        return texts, [LABELS[part][row["label"]] for row in rows]
    file, label = {
        "paws": ("PAWS-QQP/dev_and_test.tsv", "label"),
        "hans": ("HANS/heuristics_evaluation_set.txt", "gold_label"),
        "hans-regenerated": ("HANS/hans_regenerated_noparse.tsv", "gold_label"),
    }[name]
    with (folder / file).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    names = {"0": "not_duplicate", "1": "duplicate"}
    return [(row["sentence1"], row["sentence2"]) for row in rows], [
        names.get(row[label], row[label]) for row in rows
    ]


def answers(student: Path, texts: Sequence[tuple[str, ...]], precision: str) -> list[str]:
    """Return the name of the label that a kept student gives to each row."""
    card = json.loads((student / "student.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(student)
    model = AutoModelForSequenceClassification.from_pretrained(student).eval()
    order = sorted(range(len(texts)), key=lambda row: sum(map(len, texts[row])))
    found: dict[int, str] = {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        segments = [list(column) for column in zip(*(texts[row] for row in chosen), strict=True)]
        inputs = tokenizer(
            *segments, truncation=True, max_length=card["max_length"], padding=True, return_tensors="pt"
        )
        autocast = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()
        with torch.no_grad(), autocast:
            best = model(**inputs).logits.argmax(1).tolist()
        found |= {row: model.config.id2label[label] for row, label in zip(chosen, best, strict=True)}
    return [found[row] for row in range(len(texts))]


def comparisons(results: Path, folder: Path) -> Iterator[tuple[str, float, float, int]]:
    """Yield for each run and set its name, the recorded score, the score found here, and the number of rows."""
    for file in sorted(results.glob("runs/*/record.json")):
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for scores in record.get("also", []):
            name = scores["name"].partition("/")[2]
            if not name:  # perturbed rows are no files
                continue
            texts, gold = rows_of(name, folder)
            found = answers(results / "students" / record["run_id"], texts, record["compute"]["precision"])
            if name.startswith("hans"):
                found = [label if label == "entailment" else "non-entailment" for label in found]
            values = [accuracy_score(gold, found)]
            if name == "advglue-qqp":
                values.append(f1_score(gold, found, pos_label="duplicate"))
            score = sum(values) / len(values)
            yield f"{record['run_id']} {scores['name']}", scores["score"], score, len(gold)


def main() -> int:
    """Print all comparisons; return 1 if a score differs, 2 if there is none."""
    results, folder = map(Path, sys.argv[1:3])
    worst, count = 0.0, 0
    for name, recorded, found, rows in comparisons(results, folder):
        difference = abs(recorded - found) * rows
        worst, count = max(worst, difference), count + 1
        print(
            f"{name}: {recorded:.6f} recorded, {found:.6f} here ({difference:.2f} answers of {rows})",
            flush=True,
        )
    print(f"{count} scores; the largest difference is {worst:.2f} answers")
    return 2 if not count else int(worst > TOLERATED)


if __name__ == "__main__":
    sys.exit(main())
