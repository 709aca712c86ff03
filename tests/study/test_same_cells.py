"""One run is one cell, whoever makes it: the main process, a worker, `reproduce`, or a grid of this run alone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from matekd_bench.errors import RunError
from matekd_bench.events import Sink
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Tuning
from matekd_bench.results.store.results_store import ResultsStore
from matekd_bench.study.execute import recording
from matekd_bench.study.execute.backends.in_process import InProcessBackend
from matekd_bench.study.execute.interrupts import Interruptions
from matekd_bench.study.execute.orders import Order
from matekd_bench.study.execute.runner import Runner, RunSink
from matekd_bench.study.execute.scheduler import Scheduler
from matekd_bench.study.execute.study_session import SharedStudy, StudySession
from matekd_bench.study.plan.grid import Cell, Grid, make_grid, one_run
from matekd_bench.study.plan.tuning import Tuner, make_tuner
from matekd_bench.study.spec.request import StudyRequest, make_request
from matekd_bench.tools.reproduce import reproduce
from synthetic import make

HOST = Host.load(only_builtin=True)
CPU = torch.device("cpu")
METHODS = "matekd,eda[alpha=0.3],eda@2x,worst-of-n[eda],worst-of-n[eda[alpha=0.2]]"
VARIANTS = {
    "finetune", "matekd[mask_rate=0.2,generator_lr=0.0005,generator_updates=20,student_updates=20]",
    "eda[alpha=0.3,swap=false]", "eda[swap=false]@2x",
    "worst-of-n[eda[swap=false],n=2]", "worst-of-n[eda[alpha=0.2,swap=false],n=2]",
}  # fmt: skip


@pytest.fixture(scope="module")
def glue(tunable_glue: Path, small_glue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GLUE folder with SST-2, of which some rows can be held out, and RTE."""
    folder = tmp_path_factory.mktemp("two-tasks")
    shutil.copytree(tunable_glue / "SST-2", folder / "SST-2")
    shutil.copytree(small_glue / "RTE", folder / "RTE")
    return folder


@pytest.fixture
def request_(glue: Path, tiny_checkpoint: Path, tiny_config: Path, tmp_path: Path) -> StudyRequest:
    """A study with parameters from preset, config file and options, whose reference is not in its list."""
    config = tmp_path / "study.toml"
    config.write_text(
        f"{tiny_config.read_text()}\n[sets.eda]\nswap = false\n[sets.matekd]\nmask_rate = 0.2\n"
    )
    options = {
        "methods": METHODS, "tasks": "rte,sst2", "reference": "finetune", "sets": ["worst-of-n.n=2"], "config": config,
        "seeds": 2, "first_seed": 1, "glue_dir": glue, "teacher": str(tiny_checkpoint), "student": "layers:2",
        "generator": "layers:2", "budget": "student_updates=4", "device": "cpu", "threads": 1, "precision": "float32",
        "results": tmp_path / "results",
    }  # fmt: skip
    return make_request(options, HOST)


def tuned(request: StudyRequest) -> StudyRequest:
    spec = request.spec.model_copy(update={"tune": 3})
    return StudyRequest(spec, request.execution, request.command, request.given)


def essence(cell: Cell) -> dict[str, Any]:
    """All of a cell that decides what is trained, and what the run is called."""
    job = cell.job
    wrapper = getattr(job.method.factory, "__self__", None)
    return {
        "ids": (cell.run_id, cell.protocol_id),
        "method": (job.variant, job.method.name, job.method.version, job.method.role, job.method.needs),
        "params": job.params.model_dump(),
        "wrapped": getattr(wrapper, "inner_params", None),
        "training": job.training,
        "budget": job.budget,
        "seed": job.seed,
        "data": (cell.data.task, cell.data.digests),
        "models": (cell.recipe.teacher.sha256, cell.recipe.student.identity, cell.recipe.max_length),
        "tuning": cell.tuning,
    }


def choose_last_trials(grid: Grid, cells: Sequence[Cell], results: Path) -> tuple[Tuner, list[Cell]]:
    """The trials of these cells, recorded so that the last of each variant is the best, and the complete cells."""
    tuner = make_tuner(grid, cells, results, Sink())
    for trials in tuner.trials.values():
        for trial, cell in trials:
            tuner.store.write(make(score=trial.number / 10, run_id=cell.run_id))
    return tuner, tuner.complete(cells, grid)


def reproduced(cell: Cell, grid: Grid, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """The cell that `reproduce` would train for the record of a cell."""

    class TrainError(Exception):
        """Carries the cell out before it is trained."""

    def refuse(scheduler: Scheduler, cells: Sequence[Cell]) -> None:
        raise TrainError(*cells)

    store = ResultsStore(folder / "recorded")
    record = recording.failed_record(cell, grid, "not trained", 0.0, "")
    store.write(record, study=grid.spec.model_dump(mode="json"))
    monkeypatch.setattr("matekd_bench.tools.reproduce.Scheduler.run", refuse)
    with pytest.raises(TrainError) as caught:
        reproduce(store, cell.run_id, HOST, Sink(), into=folder / "again")
    [again] = caught.value.args
    assert isinstance(again, Cell)
    return again


@pytest.mark.parametrize("tune", [False, True], ids=["untuned", "tuned"])
def test_every_process_and_command_makes_the_same_complete_cell(
    tune: bool, request_: StudyRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = tuned(request_) if tune else request_
    grid = make_grid(request.spec, CPU, HOST)
    study = [cell for cell in grid.cells if cell.data.task.name == "sst2" and cell.job.seed == 2]
    cells = study
    worker = StudySession(SharedStudy.from_json(SharedStudy(request, only_builtin=True).to_json()), Sink())
    if tune:
        tuner, cells = choose_last_trials(grid, study, request.execution.results)
        assert {cell.tuning.chosen for cell in cells if cell.tuning} == {3}
        for trial in tuner.grid.cells:
            assert essence(worker.cell(Order("", "sst2", trial.run_id, trial=True))) == essence(trial)
    assert {cell.job.variant for cell in cells} == VARIANTS
    for before, cell in zip(study, cells, strict=True):
        assert (before.job.training != cell.job.training) == tune
        tuning = cell.tuning and Tuning.model_validate_json(cell.tuning.model_dump_json())  # as it is sent
        alone = one_run(request.spec, method=cell.job.method.name, task="sst2", seed=2)
        for found in (
            grid.cell(cell.run_id, tuning),
            worker.cell(Order("", "sst2", cell.run_id, tuning)),
            make_grid(alone, CPU, HOST).cell(cell.run_id, tuning),
            reproduced(cell, grid, tmp_path, monkeypatch),
        ):
            assert essence(found) == essence(cell)


def test_a_run_of_a_tuned_study_is_not_trained_before_its_settings_are_chosen(
    request_: StudyRequest, tmp_path: Path
) -> None:
    grid = make_grid(tuned(request_).spec, CPU, HOST)
    cell, store, interruptions = grid.cells[0], ResultsStore(tmp_path), Interruptions()
    with pytest.raises(RuntimeError, match=cell.run_id):
        grid.cell(cell.run_id)
    backend = InProcessBackend(Runner(grid, store, RunSink(Sink()), interruptions, command=""))
    with pytest.raises(RuntimeError, match=cell.run_id):
        Scheduler(grid, store, (), backend, interruptions, command="").run([cell])
    assert store.run_ids() == set()


def test_a_run_of_another_grid_is_refused_by_name(request_: StudyRequest) -> None:
    with pytest.raises(RunError, match="rte-kd-1-0123"):
        make_grid(request_.spec, CPU, HOST).cell("rte-kd-1-0123")
