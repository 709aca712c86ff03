"""What a study sends to other processes arrives as it was: the study, announcements, errors, and the ids they name."""

from __future__ import annotations

import base64
import json
import math
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drawn_values import EXACT, STUDIES, drawn, pickled, piped, same
from led_study import LedStudy
from matekd_bench.distill.training.ddp import LostPeerError, ProcessGroup
from matekd_bench.distill.training.optimizer import DivergedError
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import BenchError, PluginError, ResultsError, UsageError
from matekd_bench.plugins.host import Host
from matekd_bench.study.execute.backends.ray_node import NodeOrder
from matekd_bench.study.execute.orders import Order
from matekd_bench.study.execute.runner import Announcement
from matekd_bench.study.execute.study_session import SharedStudy
from matekd_bench.study.plan.tuning import TRIALS_FOLDER
from matekd_bench.tasks.sources import MissingSplitError

OTHER = """
import base64, json, os, pickle, sys
from pathlib import Path
import torch
from matekd_bench.distill.training.ddp import ProcessGroup
from matekd_bench.events import Sink
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.backends.ray_node import _with_inputs
from matekd_bench.study.execute.backends.worker import RemoteRunner
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Order
from matekd_bench.study.execute.runner import RunSink
from matekd_bench.study.execute.study_session import SharedStudy, StudySession

def made(study, orders):
    session, store = StudySession(study, Sink()), ResultsStore(study.request.execution.results)
    remote = RemoteRunner(session, store, RunSink(Sink()), Interruptions())
    runners = [remote.runner(Order("", task, "", trial=trial)) for task, trial in orders]
    return {
        "ids": [[[cell.run_id, cell.protocol_id] for cell in runner.grid.cells] for runner in runners],
        "roots": [str(runner.store.root) for runner in runners],
        "hash": hash("kd"),
    }

here, answers = os.getcwd(), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in iter(sys.stdin.readline, ""):
    match json.loads(line):
        case ["study", folder, orders]:
            os.chdir(folder)
            answer = made(SharedStudy.from_json(sys.stdin.readline()), orders)
        case ["order", order, orders]:
            os.chdir(here)
            answer = made(_with_inputs(pickle.loads(base64.b64decode(order)), Path("inputs")), orders)
        case ["join", variables]:
            os.environ.update(variables)
            print('"joins"', file=answers, flush=True)
            ranks = ProcessGroup(torch.device("cpu"))
            while (announcement := ranks.announce(None)) is not None:
                ranks.gather(announcement)
            ranks.close()
            answer = "left"
    print(json.dumps(answer), file=answers, flush=True)
"""


class Other:
    """A second Python process with another hash seed, working folder and encoding of its standard streams."""

    def __init__(self, folder: Path) -> None:
        seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "latin-1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
            env=environment,
        )  # fmt: skip

    def tell(self, *lines: str) -> None:
        """Send lines the way a worker gets them."""
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the next answer."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module", autouse=True)
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    """The second process, started before the first test so that it loads the libraries meanwhile."""
    started = Other(tmp_path_factory.mktemp("elsewhere"))
    with started.process:
        yield started


PLUGIN = """
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Plain(Perturbation[NoParams]):
    def views(self, batch, models):
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="plain", summary="as kd", factory=Plain, level="text", version="1")
"""


@pytest.fixture(scope="module", autouse=True)
def earlier_host() -> Iterator[None]:
    """Put back the plugins that tests in other files rely on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Host, "latest", Host.latest)
        yield


@given(study=STUDIES)
@EXACT
def test_a_study_is_one_line_of_ascii_and_comes_back(study: SharedStudy) -> None:
    back = SharedStudy.from_json(piped(study.to_json()))
    assert back == study
    assert same(back, study)


@pytest.mark.parametrize(
    "error",
    [
        *(kind("no such \udcff:", hint="try é.") for kind in (UsageError, PluginError, ResultsError)),
        LostPeerError("gone"),
        MissingSplitError("no dev.tsv in x:", absent="no dev", hint="fetch it."),
        DivergedError(3, "the loss of the teacher", math.inf),
        PausedError(7, "teacher for rte", "no space"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_back_with_what_it_knows(error: BenchError) -> None:
    back = pickled(error)
    assert same(back, error)
    assert (str(back), vars(back), back.exit_code) == (str(error), vars(error), error.exit_code)


@contextmanager
def joined(other: Other) -> Iterator[ProcessGroup]:
    """A process group of this process, which leads, and the second one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    other.tell(json.dumps(["join", {**variables, "RANK": "1"}]))
    assert other.answer() == "joins"  # else a group would wait long for it
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "RANK": "0"}.items():
            patch.setenv(name, value)
        ranks = ProcessGroup(torch.device("cpu"))
    try:
        yield ranks
        ranks.announce(None)
    finally:
        ranks.close()
    assert other.answer() == "left"


def test_an_announcement_reaches_the_followers_as_it_was(other: Other) -> None:
    with joined(other) as ranks:

        @given(announcement=st.tuples(drawn(Order), st.lists(st.text(), max_size=3).map(tuple)))
        @EXACT
        def announced(announcement: Announcement) -> None:
            ranks.announce(announcement)
            _, received = ranks.gather(announcement)
            assert same(received, announcement)

        announced()


METHODS = "kd@2x,eda[alpha=0.1|0.2],worst-of-n[eda[alpha=0.2],n=2],random-mask,plain"


@pytest.mark.parametrize("options", [{}, {"tune": 3, "limit_train": 300}], ids=["as given", "tuned"])
def test_another_process_makes_the_same_ids(
    options: dict[str, Any], other: Other, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local worker has the leader's working folder; a worker on another machine has only the files sent to it."""
    monkeypatch.chdir(tmp_path)
    plugin, results = Path("plain.py"), Path("résultats")
    plugin.write_text(PLUGIN)
    settings = {
        "methods": METHODS, "tasks": "rte,sst2", "results": results, "device": "cpu", "seeds": 2, "limit_train": 40,
        "limit_eval": 20, "sets": ["random-mask.mask_rate=0.2"],
    }  # fmt: skip
    led = LedStudy.of({**settings, **options}, [plugin], command="run \udcff")
    assert len({cell.run_id for cell in led.grid.cells}) == 7 * 2 * 2
    grids = {False: led.grid} if led.tuner is None else {False: led.grid, True: led.tuner.grid}
    orders = [(task, trial) for task in led.grid.data for trial in grids]
    ids = [
        [[cell.run_id, cell.protocol_id] for cell in grids[trial].cells if cell.data.task.name == task]
        for task, trial in orders
    ]
    inputs = {path: path.read_bytes() for path in led.shared.plugins}
    order = NodeOrder(Order("", "rte", ""), led.shared, inputs, "/nowhere", "key")
    other.tell(json.dumps(["study", str(tmp_path), orders]), led.shared.to_json())
    other.tell(json.dumps(["order", base64.b64encode(pickle.dumps(order)).decode(), orders]))
    for _ in range(2):
        answer = other.answer()
        assert answer["hash"] != hash("kd")
        assert answer["ids"] == ids
        assert answer["roots"] == [str(results / TRIALS_FOLDER if trial else results) for _, trial in orders]
