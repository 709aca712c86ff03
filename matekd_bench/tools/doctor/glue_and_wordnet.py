"""The GLUE folder and WordNet: what is there of them, and how complete it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from matekd_bench.errors import DataError
from matekd_bench.methods.thesaurus import wordnet_places
from matekd_bench.plugins.host import Host
from matekd_bench.tasks.sources import GlueFolder, MissingSplitError
from matekd_bench.tasks.task import Task
from matekd_bench.tools.doctor.finding import Finding

TOPIC = "data"
GET_GLUE = "unpack GLUE into a folder and give it with --glue-dir DIR, or as GLUE_DIR"
GET_WORDNET = "python -m nltk.downloader wordnet"


def glue_folder(path: Path | None, host: Host) -> Iterator[Finding]:
    """A line for the folder, naming complete and absent tasks, and one for each task that is partial or damaged."""
    if path is None:
        yield Finding(
            TOPIC, "GLUE folder", "missing", "none is named; with a network the Hub serves", GET_GLUE
        )
        return
    if not path.is_dir():
        yield Finding(TOPIC, "GLUE folder", "problem", f"'{path}' is no folder", GET_GLUE)
        return
    tasks = [one.record for one in host.tasks.values() if one.record.folder and one.record.train]
    absent = [task.name for task in tasks if not (path / str(task.folder)).is_dir()]
    found = [task for task in tasks if task.name not in absent]
    checks = [_task(task, GlueFolder(path)) for task in found]
    complete = [check.name for check in checks if check.state == "ok"]
    text = f"{path}: complete {_listed(complete)}; absent {_listed(absent)}"
    yield Finding(TOPIC, "GLUE folder", "ok" if found else "missing", text, "" if found else GET_GLUE)
    yield from (check for check in checks if check.state != "ok")


def _task(task: Task, source: GlueFolder) -> Finding:
    """Whether the files of a task have the official numbers of rows."""
    parts = []
    for split in (str(task.train), *task.dev):
        wanted = task.splits[split].rows
        try:
            rows = len(source.read(task, split).texts)
        except MissingSplitError:
            parts.append(f"{split} absent")
            continue
        except DataError as error:
            return Finding(TOPIC, task.name, "problem", str(error), "download this task again")
        if rows != wanted:
            parts.append(f"{split} {rows} of {wanted}")
    if not parts:
        return Finding(TOPIC, task.name, "ok", "complete")
    text = f"partial: {', '.join(parts)}"
    return Finding(TOPIC, task.name, "missing", text, "usable; its scores are labeled partial")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def wordnet(host: Host) -> Iterator[Finding]:
    """Whether WordNet can be found, for the methods that need a thesaurus."""
    users = _listed(sorted(name for name, one in host.methods.items() if "thesaurus" in one.record.needs))
    place = wordnet_place()
    if place is None:
        text = f"not found; used by {users}, with a smaller stand-in"
        yield Finding(TOPIC, "WordNet", "missing", text, GET_WORDNET)
    else:
        yield Finding(TOPIC, "WordNet", "ok", f"{place}; used by {users}")


def wordnet_place() -> Path | None:
    """Where WordNet lies, for methods that would read it from there; None: nowhere."""
    return next(wordnet_places(), None)
