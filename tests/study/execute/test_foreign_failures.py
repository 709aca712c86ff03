"""Whatever a method raises, and whenever, costs its run alone: it is recorded as failed with file and line."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from forked import start
from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.store.results_store import ResultsStore

PLUGIN = """
import os
import signal
import sys
from typing import Literal

import pytest

from matekd_bench import Method, Params, Perturbation, ResultsError, hookimpl


class Unprintable(Exception):
    def __str__(self):
        sys.exit("no text")


def recursion():
    recursion()


def skip():
    pytest.skip("not today")


def throw(error):
    raise error


ERRORS = {
    "exit": lambda: sys.exit("no lexicon"),
    "interrupt": lambda: throw(KeyboardInterrupt()),
    "skip": skip,
    "closed": lambda: throw(GeneratorExit()),
    "unprintable": lambda: throw(Unprintable()),
    "long": lambda: throw(ValueError("word " * 1_000_000)),
    "group": lambda: throw(BaseExceptionGroup("both", [KeyError("one"), SystemExit(2)])),
    "recursion": recursion,
    "memory": lambda: throw(MemoryError()),
    "surrogate": lambda: throw(ValueError("half \\ud800")),
    "folder": lambda: throw(ResultsError("the folder is mine.")),
    "device": lambda: throw(RuntimeError("CUDA error: device-side assert triggered")),
}


class BadParams(Params):
    error: Literal[tuple(ERRORS)] = "exit"
    moment: Literal[
        "factory", "warm_up", "ahead", "views", "state_dict", "load_state_dict", "diagnostics", "names", "none"
    ] = "views"


class Bad(Perturbation[BadParams]):
    def at(self, moment):
        if self.params.moment == moment:
            ERRORS[self.params.error]()

    def __init__(self, params, context):
        super().__init__(params, context)
        with open("processes.txt", "a") as file:
            print(os.getpid(), params.error, file=file)
        self.at("factory")

    def warm_up(self, batches, models):
        self.at("warm_up")

    def ahead(self, rows):
        self.at("ahead")

    def views(self, batch, models):
        if batch.update == 2 and os.environ.get("STOP"):
            signal.raise_signal(signal.SIGTERM)
        yield batch.clean
        self.at("views")

    def state_dict(self):
        self.at("state_dict")
        return {}

    def load_state_dict(self, state):
        self.at("load_state_dict")

    def diagnostics(self):
        self.at("diagnostics")
        return {"\\ud800": 1.0} if self.params.moment == "names" else {}


@hookimpl
def matekd_bench_methods():
    yield Method(name="bad", summary="", factory=Bad, params=BadParams, level="text", version="1")
"""
ERRORS = {
    "exit": "SystemExit: no lexicon", "interrupt": "KeyboardInterrupt", "skip": "Skipped: not today",
    "closed": "GeneratorExit", "unprintable": "Unprintable: its message cannot be displayed",
    "long": "ValueError: word word",
    "group": "both .2 sub-exceptions., the first is KeyError: 'one'", "recursion": "RecursionError",
    "memory": "out of memory.*MemoryError", "surrogate": r"half \?", "folder": "the folder is mine",
}  # fmt: skip
MOMENTS = ("factory", "warm_up", "ahead", "state_dict", "diagnostics")
Study = tuple[str, ...]


@pytest.fixture
def study(tmp_path: Path, study_options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study that lacks its methods; its results go to the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(PLUGIN, encoding="utf-8")
    return (
        "run",
        *study_options,
        "--plugin",
        "bad.py",
        "--tasks",
        "sst2",
        "--reference",
        "none",
        "--methods",
    )


def recorded(results: Path = Path("results")) -> dict[str, Record]:
    return {record.identity.variant: record for record in ResultsStore(results).records()}


def reason(record: Record) -> str:
    """The reason of a failed run, which is one line of moderate length."""
    assert (record.status, "\n" in str(record.reason), len(str(record.reason)) < 2000) == (
        "failed",
        False,
        True,
    )
    return str(record.reason)


def test_whatever_is_raised_is_recorded_with_file_and_line(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*study, f"bad[error={'|'.join(ERRORS)}],kd"]) == 1
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith(f"1 trained, 0 already recorded, {len(ERRORS)} failed")
    )
    records = recorded()
    assert records.pop("kd").status != "failed"
    assert len(records) == len(ERRORS)
    for record in records.values():
        error = str(record.identity.params["error"])
        assert re.search(ERRORS[error], reason(record))
        assert error == "folder" or re.search(r"\(bad.py, line \d+\)", reason(record))

    assert main(["leaderboard", "--failures"]) == 0
    assert "no lexicon" in capsys.readouterr().out
    for file in ("board.json", "board.csv", "board.html"):
        assert main(["export", file]) == 0
    assert {
        row["n_failed"] for row in json.loads(Path("board.json").read_text()) if row["method"] != "teacher"
    } == {0, 1}


def test_it_does_not_matter_when_it_is_raised(study: Study) -> None:
    assert main([*study, f"bad[moment={'|'.join(MOMENTS)}],bad[moment=names],kd"]) == 1
    records = recorded()
    assert records.pop("kd").status != "failed"
    assert records.pop("bad[moment=names]").status != "failed"
    assert len(records) == len(MOMENTS)
    for record in records.values():
        assert re.search(r"SystemExit: no lexicon \(bad.py, line \d+\)", reason(record))


def test_a_state_that_cannot_be_loaded_costs_the_resumed_run(study: Study) -> None:
    command = [*study, "bad[moment=load_state_dict],kd"]
    stopped = start(command, STOP="1")
    assert stopped.communicate() is not None
    assert stopped.returncode == 128 + signal.SIGTERM
    assert main(command) == 1
    assert {name: record.status == "failed" for name, record in recorded().items()} == {
        "bad[moment=load_state_dict]": True, "kd": False
    }  # fmt: skip


def test_a_worker_records_what_is_raised_and_is_replaced_when_its_device_is_lost(study: Study) -> None:
    assert (
        main(
            [*study, "bad[error=device,moment=factory],bad[moment=none],bad[error=interrupt]", "--jobs", "2"]
        )
        == 1
    )
    records = recorded()
    assert records.pop("bad[moment=none]").status != "failed"
    assert [
        re.search("KeyboardInterrupt|device-side", reason(record)) is None for record in records.values()
    ] == 2 * [False]
    runs = [line.split() for line in Path("processes.txt").read_text().splitlines()]
    [lost] = [process for process, error in runs if error == "device"]
    assert sum(process == lost for process, _ in runs) == 1
    assert (str(os.getpid()) in dict(runs), list(Path("results/runs").glob(".partial/*.log"))) == (False, [])


def test_a_process_that_lost_its_device_trains_no_further_run(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*study, "bad[error=device],kd"]) == 1
    assert "--jobs 2" in capsys.readouterr().err.splitlines()[-1]
    assert {name: record.status for name, record in recorded().items()} == {"bad[error=device]": "failed"}


def test_a_preview_names_the_method_and_the_line(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    options = study[1 : study.index("--budget")]
    assert main(["methods", "preview", "bad", *options, "--plugin", "bad.py", "--task", "sst2"]) == 2
    assert re.search(
        r"method 'bad'.*no lexicon \(bad.py, line \d+\)", capsys.readouterr().err.splitlines()[-1]
    )


BEFORE_TRAINING = """
import sys
from matekd_bench import Params, Rows, Split, Task, TextPerturbation, hookimpl
from pydantic import field_validator

class ExitsParams(Params):
    rate: float = 0.1

    @field_validator("rate")
    @classmethod
    def checked(cls, rate):
        return sys.exit("no rate") if rate == 1 else rate

class Exits(TextPerturbation[ExitsParams]):
    "Exits."
    name, version = "exits", "1"

    def perturb(self, text, rng):
        return text

    @classmethod
    def MOMENT(cls, params, *task):
        sys.exit("no lexicon")

def read(split):
    sys.exit("no rows")

@hookimpl
def matekd_bench_methods():
    yield Exits

@hookimpl
def matekd_bench_tasks():
    yield Task(name="gone", title="", summary="", kind="classification", fields=("text",), labels=("a", "b"),
               metrics=("accuracy",), splits={"train": Split("", "", 4), "dev": Split("", "", 4)}, test=(), reader=read)
"""


@pytest.mark.parametrize(
    ("moment", "method", "task", "named"),
    [
        *(
            (moment, "exits", "sst2", "method 'exits'.*no lexicon .before.py, line")
            for moment in ("overrides", "resources", "unfit", "check_rows", "cost_beforehand")
        ),
        ("unused", "exits[rate=1]", "sst2", "method 'exits'.*no rate .before.py"),
        ("unused", "kd", "gone", "gone train.*no rows .before.py"),
    ],
)  # fmt: skip
def test_what_is_raised_before_training_is_one_line(
    moment: str, method: str, task: str, named: str, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("before.py").write_text(BEFORE_TRAINING.replace("MOMENT", moment))
    assert main([*study, method, "--plugin", "before.py", "--tasks", task]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(f"^error: .*{named}", line)
