"""Checks of the GLUE folder and WordNet: whether they exist and are complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from matekd_bench.errors import DataError, UsageError
from matekd_bench.methods.thesaurus import wordnet_places
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.sources import GlueFolder, MissingSplitError
from matekd_bench.tasks.task import Task
from matekd_bench.tools.doctor.finding import Finding

TOPIC = "data"
GET_GLUE = "unpack GLUE into a folder, and name it with --glue-dir DIR or GLUE_DIR"
GET_WORDNET = "python -m nltk.downloader wordnet"


def glue_folder(path: Path | None, host: Host) -> Iterator[Finding]:
    """Check the GLUE folder: name complete and absent tasks, and report each partial or damaged one."""
    if path is None:
        yield Finding(
            TOPIC,
            "GLUE folder",
            "missing",
            "no folder is named; with a network, the Hub provides the data",
            GET_GLUE,
        )
        return
    if not path.is_dir():
        yield Finding(TOPIC, "GLUE folder", "problem", f"'{path}' is not a folder", GET_GLUE)
        return
    records = [provided.record for provided in host.tasks.values()]
    tasks = [task for task in records if task.folder and task.train]
    absent = [task.name for task in tasks if not (path / str(task.folder)).is_dir()]
    present = [task for task in tasks if task.name not in absent]
    findings = [_check_task(task, GlueFolder(path)) for task in present]
    complete = [finding.name for finding in findings if finding.state == "ok"]
    text = f"{path}: complete {_join_names(complete)}; absent {_join_names(absent)}"
    yield Finding(TOPIC, "GLUE folder", "ok" if present else "missing", text, "" if present else GET_GLUE)
    yield from (finding for finding in findings if finding.state != "ok")


def _check_task(task: Task, source: GlueFolder) -> Finding:
    """Check that the files of a task have the official numbers of rows."""
    parts = []
    for split in (str(task.train), *task.dev):
        official = task.splits[split].rows
        try:
            rows = len(source.read(task, split).texts)
        except MissingSplitError:
            parts.append(f"{split} absent")
            continue
        except DataError as error:
            return Finding(TOPIC, task.name, "problem", str(error), "download this task again")
        if rows != official:
            parts.append(f"{split} {rows} of {official}")
    if not parts:
        return Finding(TOPIC, task.name, "ok", "complete")
    text = f"partial: {', '.join(parts)}"
    return Finding(TOPIC, task.name, "missing", text, "usable; its scores are labeled partial")


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def wordnet(host: Host) -> Iterator[Finding]:
    """Check that WordNet is installed and can be read, for the methods that need a thesaurus."""
    users = _join_names(
        sorted(name for name, provided in host.methods.items() if "thesaurus" in provided.record.needs)
    )
    path = find_wordnet()
    if path is None:
        text = f"not found; a smaller stand-in is used by {users}"
        yield Finding(TOPIC, "WordNet", "missing", text, GET_WORDNET)
        return
    try:
        host.get("thesaurus", "wordnet", host.thesauri).record.load()
    except UsageError as error:
        text = f"{path} cannot be read; a smaller stand-in is used by {users}"
        yield Finding(TOPIC, "WordNet", "problem", text, error.hint or error.message)
    else:
        yield Finding(TOPIC, "WordNet", "ok", f"{path}; used by {users}")


def find_wordnet() -> Path | None:
    """Return the path from which methods read WordNet; None if it is not on this machine."""
    return next(wordnet_places(), None)
