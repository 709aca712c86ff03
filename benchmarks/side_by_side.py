"""The comparison of what two checkouts left: seeds, weights, runs, ids and exports; used by `same_numbers.py`."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
        first, second = ({key: arrays[key] for key in arrays.files} for arrays in (before, now))
    if first.keys() != second.keys():
        yield f"predictions hold {sorted(first)}, now {sorted(second)}"
        return
    for key in first:
        if first[key].dtype != second[key].dtype or first[key].tobytes() != second[key].tobytes():
            yield f"logits {key} differ"


def _compare_records(old: Path, new: Path) -> Iterator[str]:
    first, second = (json.loads((side / "record.json").read_text()) for side in (old, new))
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
    """The lines of an export without hashes, drawn text and the width of columns."""
    text = DRAWN.sub("", HASH.sub("*", path.read_text(encoding="utf-8")))
    lines = (re.sub(r"[-\s]+", " ", line).strip() for line in text.splitlines())
    return [line for line in lines if line]
