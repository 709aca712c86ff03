"""The comparison of what two checkouts left: seeds, weights, runs, ids and exports; used by `same_numbers.py`.

`WORDS` lists the words that exported files may have under two names, `convert_records.py` the fields of records.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convert_records import convert

# Words that exported files may have under two names, each pattern for both: what matches is compared as one.
# Fields of records: benchmarks/convert_records.py.
WORDS: tuple[tuple[str, str], ...] = (
    (r"matekd\.(run|leaderboard)/[12]", "<schema>"),
    (r"&#34;(control|role)&#34;: (true|false|&#34;\w+&#34;)", "<role>"),
    (r"\((control|reference|baseline|ablation)\)", "<role>"),
    (r"<dt>(control|role)</dt><dd>\w+</dd>", "<role>"),
    (r"<dt>level</dt><dd>(control|none)</dd>", "<level>"),
    (r"(Control|Baseline|Ablation of MATE-KD): ", "<role>: "),
    (r"(controls?|baselines and ablations) are", "<roles> are"),
    (r"\b(the|no|a) (control|reference)\b", r"\1 reference"),
    (r'"(control|role)": (true|false|null|"\w+")', "<role>"),
    (r"flops_x_(control|reference)", "flops_x_reference"),
    (r"\b(looks|evals|evaluations)\b", "<evaluations>"),
    (r"\b(best_look|best_eval)\b", "<best evaluation>"),
    (r"\b(look|eval|evaluation)\b", "<evaluation>"),
    (r"\b(own|auxiliary)([ _])updates\b", r"auxiliary\2updates"),
    (r"\b(optimiser|optimizer)\b", "optimizer"),
    (r"relabell?ed", "relabeled"),
    (r"\bgr[ae]y\b", "gray"),
    (r"colou?r", "color"),
    (r"<td>(Whether|Include|Share|Take) [^<]*</td>", "<description>"),
    (r"<dt>overrides</dt><dd>.*</dd>", "<overrides>"),
)
# Since the tables have their columns from one list (results/report/columns.py): keys, headings and marks that came, and
# what a missing value looks like. Each pattern is for the lines of both sides.
ADDED_KEYS = re.compile(
    r"n_collapsed|n_diverged|seed_correlation|.+_(n_failed|n_collapsed|n_diverged|uninformative)"
)
TABLES: tuple[tuple[str, str], ...] = (
    (rf'^ *"({ADDED_KEYS.pattern})": .*', ""),  # JSON
    (r",$", ""),
    (r"^[|\s:+-]+$", ""),  # rules below headings
    (r"\s*\|\s*seed corr\.\s*\|?$", ""),
    (r"(\d\.\d\d)\s*\|\s*[+-]\d\.\d\d\s*\|?$", r"\1"),
    (r"(\s*\|\s*-?)+\s*$", ""),
    (r"mean diff\. to kd(\s*\|\s*95% interval)", r"mean diff.\1"),
    (r"×", "x"),
    (
        r"^method (& .*)mean diff\. to kd & \$\\times\$ kd FLOPs",
        r"method \1mean diff. & $\\times$ kd",
    ),  # LaTeX
    (r"^[ &]*to kd & FLOPs.*", ""),
    (r"\\,", " "),
    (r" & -- &", " &  &"),
    (r" \\\\(\[2pt\])?$", ""),
    (r"^[ &]*(\\footnotesize \d (failed|collapsed|diverged)[ &]*)+$", ""),
)
# Counts in the heat map, and no -0.0 there.
PLOTS: tuple[tuple[str, str], ...] = (
    (r"<text [^>]*>", "<text>"),  # whose places move with a second line
    (r"^ *</g>$", ""),
    (r"^\s*(<!--|<text>) ?\d (failed|collapsed|diverged) ?(-->|</text>)$", ""),
    (r"(<!-- |<text>)[+-]0\.0( -->|</text>)", "0.0"),
)
# The page's tables of the leaderboard are those of leaderboard.md, whose numbers are compared there.
PAGE_TABLES = re.compile(
    r'<form class="filters" data-for="(scores|comparison|costs)-.*?</table>\s*</div>', re.S
)
# How plots draw text, which moves with its words; the words themselves stand in comments and are compared.
DRAWN = re.compile(
    r"<defs>.*?</defs>|<use xlink:href=\"#(?:\w+-)?DejaVu[^>]*>|<g [^>]*transform=[^>]*>", re.S
)
# Fields that name a moment, a machine, a version or a hash: not compared.
PASSING = re.compile(
    r"(^|\.)(run_id|protocol_id|env|provenance|schema|predictions\.sha256|predictions\.path|\w*_seconds|"
    r"peak_memory_bytes|resumed|resources\.generator)($|\.)"
)
HASH = re.compile(r"\b[0-9a-f]{12,64}\b")


def report(old: Path, new: Path, studies: Sequence[str]) -> int:
    """Print one line per comparison and what differs; 1 if anything does."""
    differing = 0
    for name, problems in (
        ("seeds", _compare_seeds(old, new)),
        ("weights", _compare_weights(old, new)),
        *((f"runs of '{study}'", _compare_runs(old / study, new / study)) for study in studies),
        ("trials", _compare_runs(old / "tuned" / "tuning", new / "tuned" / "tuning")),
        ("ids", _compare_ids(old, new)),
        ("exports", _compare_exports(old / "exports", new / "exports")),
    ):
        summary, found = next(problems), list(problems)
        differing += len(found)
        print(f"{name}: {summary}: {f'{len(found)} differ' if found else 'the same'}")
        for line in found[:40]:
            print(f"  {line}")
    return 1 if differing else 0


def _compare_seeds(old: Path, new: Path) -> Iterator[str]:
    """Compare how often each list of parts was asked for."""
    before, now = (json.loads((side / "seeds.json").read_text()) for side in (old, new))
    yield f"{len(before)} lists of parts, {sum(before.values())} seeds"
    for parts in sorted(before.keys() | now.keys()):
        if before.get(parts) != now.get(parts):
            yield f"{parts}: {before.get(parts, 0)} times, now {now.get(parts, 0)}"


def _compare_ids(old: Path, new: Path) -> Iterator[str]:
    """Compare the groups into which the ids of both sides divide the runs and the protocols."""
    before, now = (json.loads((side / "ids.json").read_text()) for side in (old, new))
    groups = [_groups(ids) for ids in (before, now)]
    changed = sum(before[name] != now.get(name) for name in before)
    yield f"{len(before)} ids in {len(groups[0])} groups, {changed} of them changed"
    for group in sorted(map(sorted, groups[0] ^ groups[1])):
        yield f"{'together in OLD' if frozenset(group) in groups[0] else 'together in NEW'}: {', '.join(group)}"


def _groups(ids: Mapping[str, str]) -> set[frozenset[str]]:
    """The names that share an id."""
    names: dict[str, set[str]] = {}
    for name, value in ids.items():
        names.setdefault(value, set()).add(name)
    return {frozenset(group) for group in names.values()}


def _compare_weights(old: Path, new: Path) -> Iterator[str]:
    """Compare the cache and the kept students by content: the names of folders are hashes."""

    def digests(side: Path) -> Counter[tuple[str, str]]:
        files = [path for path in side.rglob("*") if path.suffix in (".safetensors", ".npy", ".npz", ".pt")]
        return Counter(
            (f"{_place(path.relative_to(side))}", hashlib.sha256(path.read_bytes()).hexdigest())
            for path in files
            if path.name != "predictions.npz" and "headless" not in path.parts
        )

    before, now = digests(old), digests(new)
    yield f"{sum(before.values())} files"
    for change in sorted((before - now).keys() | (now - before).keys()):
        yield f"{change[0]}: {change[1][:12]} {'only in OLD' if change in before else 'only in NEW'}"


def _place(path: Path) -> str:
    """A path without its hashes."""
    return HASH.sub("*", str(path))


def _compare_runs(old: Path, new: Path) -> Iterator[str]:
    """Compare logits bit by bit and records field by field, runs matched by their names without hashes."""
    before, now = ({_run_name(path): path for path in (side / "runs").iterdir()} for side in (old, new))
    yield f"{len(before)} runs"
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            yield f"{name}: only in {'OLD' if name in before else 'NEW'}"
            continue
        yield from (f"{name}: {problem}" for problem in _compare_logits(before[name], now[name]))
        yield from (f"{name}: {problem}" for problem in _compare_records(before[name], now[name]))


def _run_name(folder: Path) -> str:
    """Task, method and seed, and what tells variants of one method apart."""
    identity = json.loads((folder / "record.json").read_text())["identity"]
    return " ".join(str(identity[key]) for key in ("task", "variant", "seed")) + " " + _settings_of(folder)


def _settings_of(folder: Path) -> str:
    """The learning rate and parameters, by which trials of one method differ."""
    record = json.loads((folder / "record.json").read_text())
    return json.dumps([record["hparams"].get("lr"), record["identity"]["params"]], sort_keys=True)


def _compare_logits(old: Path, new: Path) -> Iterator[str]:
    import numpy as np

    with np.load(old / "predictions.npz") as before, np.load(new / "predictions.npz") as now:
        first, second = (
            {re.sub(r"^[a-z]+(?=\d)", "", key): arrays[key] for key in arrays.files}
            for arrays in (before, now)
        )
    if first.keys() != second.keys():
        yield f"predictions hold {sorted(first)}, now {sorted(second)}"
        return
    for key in first:
        if first[key].dtype != second[key].dtype or first[key].tobytes() != second[key].tobytes():
            yield f"logits {key} differ"


def _compare_records(old: Path, new: Path) -> Iterator[str]:
    first, second = (json.loads((side / "record.json").read_text()) for side in (old, new))
    if first["schema"] == "matekd.run/1":
        first = convert(first)
    before, now = dict(_flat(first)), dict(_flat(second))
    for path in sorted(before.keys() | now.keys()):
        if not PASSING.search(path) and before.get(path) != now.get(path):
            yield f"{path}: {before.get(path)!r}, now {now.get(path)!r}"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a record with its dotted path."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _flat(item, f"{path}.{number}")
    else:
        yield path, value


def _renamed(text: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def _compare_exports(old: Path, new: Path) -> Iterator[str]:
    names = sorted(
        {str(path.relative_to(side)) for side in (old, new) for path in side.rglob("*") if path.is_file()}
    )
    yield f"{len(names)} files"
    for name in names:
        if not (old / name).exists() or not (new / name).exists():
            yield f"{name}: only in {'OLD' if (old / name).exists() else 'NEW'}"
            continue
        before, now = (_lines(side / name) for side in (old, new))
        for line in difflib.unified_diff(before, now, n=0, lineterm=""):
            if not line.startswith(("---", "+++", "@@")):
                yield f"{name}: {line[:300]}"


def _lines(path: Path) -> list[str]:
    """The lines of an export without hashes, drawn text and the width of columns, wanted changes as one."""
    text = DRAWN.sub("", HASH.sub("*", path.read_text(encoding="utf-8")))
    text = PAGE_TABLES.sub("", text)
    if path.suffix == ".csv":
        text = "\n".join(map(repr, _table(text)))
    lines = (
        re.sub(r"[-\s]+", " ", _renamed(line, (*WORDS, *TABLES, *PLOTS))).strip()
        for line in text.splitlines()
    )
    return [line for line in lines if line]


def _table(text: str) -> Iterator[list[str]]:
    """The rows of a CSV file without the columns that came and the one that says which role a method has."""
    rows = list(csv.reader(io.StringIO(text)))
    names = enumerate(rows[0])
    kept = [at for at, name in names if name not in ("control", "role") and not ADDED_KEYS.fullmatch(name)]
    return ([row[at] for at in kept] for row in rows)
