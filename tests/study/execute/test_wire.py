"""What a study sends to other processes arrives as it was: orders, reports, files, errors, and the ids they name."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matekd_bench.study.execute.backends.worker_pool import PoolExecutor

from matekd_bench.distill.artifacts.artifact_cache import cached_folder, import_folders
from matekd_bench.distill.training.ddp import LostPeerError, ProcessGroup
from matekd_bench.distill.training.optimizer import DivergedError
from matekd_bench.distill.training.resume import PausedError
from matekd_bench.errors import BenchError, PluginError, ResultsError, UsageError
from matekd_bench.files.durable import MANIFEST
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Status, TrialRecord, Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.results.store.under_way import RunUnderWay
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends import ray_node as remote
from matekd_bench.study.execute.backends.in_process import ExitKind, RunAnnouncement, RunExit
from matekd_bench.study.execute.backends.ray_cluster import RayExecutor, _newest_checkpoint
from matekd_bench.study.execute.backends.ray_node import (
    Files,
    NodeOrder,
    NodeReports,
    NodeResult,
    ReportMailbox,
    files_of,
    write_files,
)
from matekd_bench.study.execute.backends.worker import (
    WorkerReports,
    WorkerSession,
    WorkerStudy,
    _execute_order,
)
from matekd_bench.study.execute.backends.worker_handle import Worker, WorkerGroup
from matekd_bench.study.execute.device_slots import DeviceSlot
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.plan.grid import Grid, make_grid
from matekd_bench.study.plan.tuning import TRIALS_FOLDER, Tuner, make_tuner
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.study_spec import study_spec
from matekd_bench.tasks.sources import MissingSplitError

EXACT = settings(max_examples=40, deadline=None, derandomize=True)
ON_DISK = settings(EXACT, max_examples=15)

BYTES = st.binary(max_size=12)
# Arguments and paths may hold any bytes; Python keeps those that are not UTF-8 as surrogates.
NAMES = BYTES.map(lambda raw: raw.replace(b"\0", b"").decode(errors="surrogateescape"))
TEXTS = st.text(max_size=12) | NAMES
PATHS = NAMES.map(Path)
COUNTS = st.integers(0, 2**70)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=8)
FOLDER_CONTENTS = st.dictionaries(
    st.text("aé日. ", max_size=4).map("f{}".format), BYTES, min_size=1, max_size=3
)
TRIALS = st.builds(
    TrialRecord,
    trial=COUNTS, run_id=st.from_regex(r"[a-z0-9-]+", fullmatch=True), status=st.sampled_from(get_args(Status)),
    lr=FINITE, params=st.dictionaries(st.text(max_size=8), PLAIN, max_size=3), score=st.none() | st.floats(-1, 1),
    train_flops=COUNTS, train_seconds=st.floats(0, allow_infinity=False),
)  # fmt: skip
TUNINGS = st.builds(Tuning, chosen=COUNTS, holdout_n=COUNTS, trials=st.lists(TRIALS, max_size=3).map(tuple))
KINDS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS, Path: PATHS, int: COUNTS, bool: st.booleans(), float: st.floats(), Tuning: TUNINGS,
    ExitKind: st.sampled_from(get_args(ExitKind)), Files: FOLDER_CONTENTS,
    Mapping[Path, bytes]: st.dictionaries(PATHS, BYTES),
    tuple[str, ...]: st.lists(TEXTS, max_size=3).map(tuple), tuple[Path, ...]: st.lists(PATHS, max_size=3).map(tuple),
}  # fmt: skip
EVENTS = st.one_of(
    st.tuples(st.sampled_from(("note", "detail", "warning", "stage")), TEXTS),
    st.tuples(st.just("progress"), COUNTS, COUNTS, st.none() | st.floats(), st.none() | st.floats()),
    st.tuples(st.just("evaluated"), COUNTS, COUNTS, st.floats()),
)
LINES = st.one_of(EVENTS, st.tuples(st.just("memory"), COUNTS), st.tuples(st.just("stopped"), TEXTS))


def drawn(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type; of a dataclass with every field, whose types KINDS must know."""
    if kind in KINDS:
        return KINDS[kind]
    kinds = [one for one in get_args(kind) if one is not type(None)]
    if len(kinds) < len(get_args(kind)):
        return st.none() | drawn(kinds[0])
    fields = {name: drawn(hint) for name, hint in get_type_hints(kind).items()}
    return st.fixed_dictionaries(fields).map(lambda given: kind(**given))


def same(one: object, other: object) -> bool:
    """Compare two values down to the types of their parts; NaN equals itself, 0.0 does not equal -0.0."""
    return repr(one) == repr(other)


def piped(line: str) -> str:
    """A line as it comes out of a pipe, which carries only ASCII whole: its ends may differ in encoding."""
    [arrived] = io.TextIOWrapper(io.BytesIO(f"{line}\n".encode("ascii")), encoding="ascii")
    return arrived


def report(to: WorkerReports, events: Sequence[tuple[Any, ...]]) -> None:
    """Report events by their methods, other lines by their names."""
    for kind, *values in events:
        getattr(to, kind, partial(to.report, kind))(*values)


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


OTHER = """
import base64, io, json, os, pickle, sys
from pathlib import Path
import torch
from matekd_bench.distill.training.ddp import ProcessGroup
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.backends.ray_node import _with_inputs
from matekd_bench.study.plan.grid_lookup import GridLookup
from matekd_bench.study.spec.study_spec import study_spec
from matekd_bench.study.execute.backends.worker import WorkerSession, WorkerReports, WorkerStudy

def made(study, runs):
    host = Host.load(study.plugins, only_builtin=study.only_builtin)
    roster = GridLookup.build(study_spec(study.request, host), study.request, host, lambda text: None)
    grids = [roster.grid] if roster.tuner is None else [roster.grid, roster.tuner.grid]
    desk = WorkerSession(study, ResultsStore(study.request.results), WorkerReports(io.StringIO()), Interruptions())
    return {
        "ids": [[[cell.run_id, cell.protocol_id] for cell in grid.cells] for grid in grids],
        "roots": [str(desk.store(task, run_id).root) for task, run_id in runs],
        "hash": hash("kd"),
    }

here, answers = os.getcwd(), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in iter(sys.stdin.readline, ""):
    match json.loads(line):
        case ["study", folder, runs]:
            os.chdir(folder)
            answer = made(WorkerStudy.from_json(sys.stdin.readline()), runs)
        case ["order", order, runs]:
            os.chdir(here)
            answer = made(_with_inputs(pickle.loads(base64.b64decode(order)), Path("inputs")), runs)
        case ["join", places]:
            os.environ.update(places)
            print('"joins"', file=answers, flush=True)
            ranks = ProcessGroup(torch.device("cpu"))
            while (call := ranks.announce(None)) is not None:
                ranks.gather(call)
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


CONFIG = """\
seeds = 2
limit_train = 40
limit_eval = 20
"""

PLUGIN = """
from matekd_bench import Method, NoParams, Perturbation, hookimpl

class Plain(Perturbation[NoParams]):
    def views(self, batch, models):
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="plain", summary="as kd", factory=Plain, level="text", version="1")
"""


@dataclass(frozen=True)
class Led:
    """A study in the process that leads it, with a results folder that has no records."""

    study: WorkerStudy
    grid: Grid
    tuner: Tuner | None
    store: ResultsStore

    @classmethod
    def of(cls, request: StudyRequest, plugins: Sequence[Path] = ()) -> Led:
        host = Host.load(plugins, only_builtin=True)
        grid = make_grid(study_spec(request, host), request, host, lambda text: None)
        tuner = (
            make_tuner(grid, grid.cells, request.results, host, lambda text: None) if request.tune else None
        )
        asked = replace(request, threads=grid.threads, jobs=None, shard=None)
        study = WorkerStudy(asked, host.files, host.only_builtin)
        return cls(study, grid, tuner, ResultsStore(request.results))


@pytest.fixture(scope="module", autouse=True)
def earlier_host() -> Iterator[None]:
    """Put back the plugins that tests in other files rely on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Host, "latest", Host.latest)
        yield


@pytest.fixture(scope="module")
def led(tmp_path_factory: pytest.TempPathFactory) -> Led:
    """A tuned study of one method on one task."""
    results = tmp_path_factory.mktemp("results")
    return Led.of(
        StudyRequest(
            methods="random-mask", tasks="rte", tune=3, limit_train=300, device="cpu", results=results
        )
    )


# Lines of JSON: the study, orders and reports of workers.


@given(study=drawn(WorkerStudy))
@example(
    WorkerStudy(
        StudyRequest(reference=None, results=Path("a\udcff\n"), sets=("é", "\u2028")), (Path("ö.py"),)
    )
)
@EXACT
def test_a_study_is_one_line_of_ascii_and_comes_back(study: WorkerStudy) -> None:
    back = WorkerStudy.from_json(piped(study.to_json()))
    assert back == study
    assert same(back, study)


Obey = Callable[[list[Any], WorkerReports], None]


class Near(Worker):
    """A worker inside this process: `obey` gets its orders as lines, and its reports come back as lines."""

    def __init__(self, place: DeviceSlot, inbox: Any, obey: Obey) -> None:
        self.number, self.slot, self.assignment, self.task = 1, place, None, None
        self._inbox, self._obey, self._out = inbox, obey, io.StringIO()
        self._reports = WorkerReports(self._out)

    def _send(self, line: str) -> None:
        start = self._out.tell()
        self._obey(json.loads(piped(line)), self._reports)
        for said in self._out.getvalue()[start:].splitlines():
            self._inbox.put((self, json.loads(piped(said))))

    def close(self) -> None:
        """Nothing to end."""

    def remove_log(self) -> None:
        """No log to remove."""


class Told:
    """A watcher that keeps everything it is told, from all lanes."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def run_view(self, number: int) -> Told:
        return self

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *values: self.heard.append((name, *values))


def pool(led: Led, told: Any, obey: Obey) -> PoolExecutor:
    """A pool with one worker inside this process."""
    crew, place = WorkerGroup(), DeviceSlot("cpu")
    crew.workers.append(Near(place, crew.inbox, obey))
    return PoolExecutor(
        led.grid,
        led.store,
        told,
        led.study,
        Interruptions(),
        worker_group=crew,
        jobs=1,
        threads=1,
        slots=[place],
    )


@dataclass
class Desked:
    """A desk that trains nothing: it keeps its orders, reports the given events and returns the given end."""

    reports: WorkerReports
    events: Sequence[tuple[Any, ...]]
    end: RunExit
    orders: list[tuple[Any, ...]] = field(default_factory=list)

    def prepare(self, task: str, run_id: str) -> None:
        self.orders.append(("prepare", task, run_id))

    def train(self, task: str, run_id: str, tuning: Tuning | None = None) -> RunExit:
        self.orders.append(("take", task, run_id, tuning))
        self.reports.run_started("", 1, 1)
        report(self.reports, self.events)
        return self.end


@given(tuning=st.none() | TUNINGS, events=st.lists(LINES, max_size=5), end=drawn(RunExit))
@EXACT
def test_orders_reach_a_desk_and_its_reports_a_watcher(
    led: Led, tuning: Tuning | None, events: list[tuple[Any, ...]], end: RunExit
) -> None:
    cell, told, desks = replace(led.grid.cells[1], tuning=tuning), Told(), []

    def obey(order: list[Any], reports: WorkerReports) -> None:
        desk: Any = Desked(reports, events, end)
        desks.append(desk)
        _execute_order(desk, order, reports)

    tally = pool(led, told, obey).run([cell])
    assert (tally.done, getattr(tally, end.kind)) == (1, 1)
    wanted = [("prepare", "mini-rte", cell.run_id), ("take", "mini-rte", cell.run_id, tuning)]
    assert same([order for desk in desks for order in desk.orders], wanted)
    begun = ("run_started", cell.label, 1, 1)
    finished = ("run_finished", cell.label, end.status, end.score, end.seconds)
    assert same(told.heard, [begun, *shown(events), finished])


def shown(lines: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """What a watcher is told of a worker's lines: a note or warning once, the memory never."""
    said = set()
    for kind, *values in lines:
        if kind == "stopped" and values[0]:
            yield "note", *values
        elif kind not in ("stopped", "memory") and not (kind in ("note", "warning") and values[0] in said):
            yield kind, *values
        if kind in ("note", "warning"):
            said.add(values[0])


@given(message=TEXTS, hint=st.none() | TEXTS)
@EXACT
def test_a_refusal_ends_the_study_in_the_workers_words(led: Led, message: str, hint: str | None) -> None:
    def refuse(order: list[Any], reports: WorkerReports) -> None:
        reports.report("refused", message, hint)

    with pytest.raises(ResultsError) as raised:
        pool(led, Told(), refuse).run(led.grid.cells)
    assert (raised.value.message, raised.value.hint) == (message, hint)


def chosen(led: Led) -> Tuning:
    """The tuning that a leader sends when the second trial was the best."""
    assert led.tuner is not None
    trials = tuple(
        TrialRecord(
            trial=tried.trial.number, run_id=tried.cell.run_id, status="ok", params=dict(tried.trial.params),
            lr=tried.cell.job.training.optimizer.lr, score=0.5, train_flops=2**65, train_seconds=0.1,
        )
        for tried in led.tuner.trials["random-mask", "mini-rte"]
    )  # fmt: skip
    return Tuning(chosen=2, holdout_n=150, trials=trials)


def test_a_worker_knows_the_run_and_the_settings_that_it_is_told(led: Led) -> None:
    """A real desk finds the run held by another process, then recorded as failed on another machine."""
    assert led.tuner is not None
    cell = led.grid.cells[-1]
    sent = led.tuner.apply_choice(cell, chosen(led))
    assert sent.job.params != cell.job.params
    assert sent.job.training != cell.job.training
    elsewhere = ResultsStore(led.store.root / "elsewhere")
    elsewhere.write(recording.failed_record(sent, led.grid, "no luck", 1.5, ""), study={})
    done = pickled(NodeResult(files_of(elsewhere.runs / sent.run_id)))
    desks: list[WorkerSession] = []

    def obey(order: list[Any], reports: WorkerReports) -> None:
        if order[0] == "prepare":
            reports.report("prepared")
            return
        study = WorkerStudy.from_json(piped(led.study.to_json()))
        desks.append(WorkerSession(study, led.store, reports, Interruptions()))
        lock, held = led.store.under_way(cell.run_id), io.StringIO()
        assert lock.acquire()
        _execute_order(desks[0], order, WorkerReports(held))
        assert json.loads(piped(held.getvalue().strip())) == ["held"]
        lock.release(done=False)
        led.store.import_run(cell.run_id, done.files)
        _execute_order(desks[0], order, reports)

    told = Told()
    assert pool(led, told, obey).run([sent]).failed == 1
    kind, label, status, score, seconds = told.heard[-1]
    assert (kind, label, status, score) == ("run_finished", sent.label, "failed", None)
    assert isinstance(seconds, float)
    assert same(led.store.read(sent.run_id).tuning, sent.tuning)
    _, found, _ = desks[0]._locate("mini-rte", sent.run_id, sent.tuning)
    assert (found.job.params, found.job.training) == (sent.job.params, sent.job.training)


# Pickles: what Ray and torch send.


@given(order=drawn(NodeOrder), done=drawn(NodeResult))
@EXACT
def test_orders_and_answers_of_a_cluster_come_back(order: NodeOrder, done: NodeResult) -> None:
    for sent in (order, done):
        assert same(pickled(sent), sent)


@given(config=st.none() | BYTES, plugins=st.lists(BYTES, max_size=3))
@ON_DISK
def test_the_files_that_a_study_names_lie_where_the_study_of_the_order_says(
    tmp_path_factory: pytest.TempPathFactory, config: bytes | None, plugins: list[bytes]
) -> None:
    named = {Path(f"{number}/ours.py"): content for number, content in enumerate(plugins)}
    request = StudyRequest(config=None if config is None else Path("study.toml"))
    study = WorkerStudy(request, tuple(named))
    inputs = named if config is None else {**named, Path("study.toml"): config}
    order = pickled(NodeOrder(study, inputs, "/nowhere", "place", "run", "rte", "rte-1"))
    back = remote._with_inputs(order, tmp_path_factory.mktemp("node"))
    assert [path.read_bytes() for path in back.plugins] == plugins
    assert [path.name for path in back.plugins] == ["ours.py"] * len(plugins)
    assert (back.request.config and back.request.config.read_bytes()) == config
    assert replace(back, plugins=study.plugins, request=replace(back.request, config=request.config)) == study


@given(files=FOLDER_CONTENTS, deeper=FOLDER_CONTENTS)
@ON_DISK
def test_a_folder_comes_back(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], deeper: dict[str, bytes]
) -> None:
    sent = {**files, **{f"deeper/{name}": content for name, content in deeper.items()}}
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    write_files(one, sent)
    write_files(two, pickled(files_of(one)))
    assert files_of(two) == sent


@given(update=st.integers(0, 10**8), files=FOLDER_CONTENTS)
@ON_DISK
def test_a_checkpoint_goes_to_the_driver_and_on_to_another_node(
    tmp_path_factory: pytest.TempPathFactory, update: int, files: dict[str, bytes]
) -> None:
    home = tmp_path_factory.mktemp("machines")
    first, driver, second = (RunUnderWay(home / name, "a-run") for name in ("first", "driver", "second"))
    first.save(update, lambda folder: write_files(folder, files))
    RayExecutor._save_checkpoint(driver, *pickled((update, files_of(next(first.folders())))))
    found, kept = pickled(_newest_checkpoint(driver))
    second.save(found, lambda folder: write_files(folder, kept))
    assert (found, kept) == (update, files)
    [folder] = second.folders()
    assert {name: content for name, content in files_of(folder).items() if name != MANIFEST} == files


def test_what_runs_share_goes_from_cache_to_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"weights": bytes(range(256)), "empty": b"", "é.json": b"{}"}
    folders = ["teachers/rte-1", "logits/rte-2"]
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "here"))
    for folder in folders:
        kind, key = folder.split("/")
        cached_folder(kind, key, lambda made, _: write_files(made, files))
    sent = remote.shared_files(folders)
    monkeypatch.setenv("MATEKD_BENCH_CACHE", str(tmp_path / "there"))
    import_folders(pickled(sent))
    assert remote.shared_files(folders) == sent
    assert {name for name in sent if MANIFEST not in name} == {
        f"{one}/{name}" for one in folders for name in files
    }


@given(events=st.lists(LINES, max_size=8))
@EXACT
def test_mail_brings_every_report_and_the_last_progress_before_it(events: list[tuple[Any, ...]]) -> None:
    mail, box = NodeReports(), ReportMailbox()
    put = SimpleNamespace(remote=lambda *letter: box.put(*pickled(letter)))
    mail.set_recipient(SimpleNamespace(put=put), "a run")
    report(mail, events)
    letters = pickled(box.take())
    assert {name for name, _ in letters} <= {"a run"}

    def reports(told: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [
            (before if before[0] == "progress" else None, event)
            for before, event in pairwise([("",), *told])
            if event[0] != "progress"
        ]

    assert same(reports([tuple(report) for _, report in letters]), reports(events))


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


# The other process.


@contextmanager
def joined(other: Other) -> Iterator[ProcessGroup]:
    """A process group of this process, which leads, and the second one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    places = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    other.tell(json.dumps(["join", {**places, "RANK": "1"}]))
    assert other.answer() == "joins"  # else a group would wait long for it
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**places, "RANK": "0"}.items():
            patch.setenv(name, value)
        ranks = ProcessGroup(torch.device("cpu"))
    try:
        yield ranks
        ranks.announce(None)
    finally:
        ranks.close()
    assert other.answer() == "left"


def test_what_the_leader_calls_is_heard_and_comes_back(other: Other) -> None:
    with joined(other) as ranks:

        @given(call=drawn(RunAnnouncement))
        @EXACT
        def called(call: RunAnnouncement) -> None:
            ranks.announce(call)
            _, heard = ranks.gather(call)
            assert same(heard, call)

        called()


METHODS = "kd@2x,eda[alpha=0.1|0.2],worst-of-n[eda[alpha=0.2],n=2],random-mask,plain"


@pytest.mark.parametrize("options", [{}, {"tune": 3, "limit_train": 300}], ids=["as given", "tuned"])
def test_another_process_makes_the_same_ids(
    options: dict[str, Any], other: Other, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local worker has the leader's working folder; a worker on another machine has only the files sent to it."""
    monkeypatch.chdir(tmp_path)
    config, plugin, results = Path("study.toml"), Path("plain.py"), Path("résultats")
    config.write_text(CONFIG)
    plugin.write_text(PLUGIN)
    led = Led.of(
        StudyRequest(
            config=config, methods=METHODS, tasks="rte,sst2", results=results, device="cpu",
            sets=("random-mask.mask_rate=0.2",), command="run \udcff", **options,
        ),
        [plugin],
    )  # fmt: skip
    grids = [led.grid] if led.tuner is None else [led.grid, led.tuner.grid]
    ids = [[[cell.run_id, cell.protocol_id] for cell in grid.cells] for grid in grids]
    assert len({run_id for run_id, _ in ids[0]}) == 7 * 2 * 2
    places = {
        (cell.data.task.name, cell.run_id): str(root)
        for grid, root in zip(grids, (results, results / TRIALS_FOLDER), strict=False)
        for cell in grid.cells
    }
    runs = sorted(places)
    inputs = {path: path.read_bytes() for path in (*led.study.plugins, config)}
    order = NodeOrder(led.study, inputs, "/nowhere", "here", "run", *runs[0])
    other.tell(json.dumps(["study", str(tmp_path), runs]), led.study.to_json())
    other.tell(json.dumps(["order", base64.b64encode(pickle.dumps(order)).decode(), runs]))
    for _ in range(2):
        answer = other.answer()
        assert answer["hash"] != hash("kd")
        assert answer["ids"] == ids
        assert answer["roots"] == [places[run] for run in runs]
