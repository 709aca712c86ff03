"""A run that is interrupted and goes on ends as if nothing had happened, to the last bit."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from matekd_bench import Method, NoParams, Perturbation
from matekd_bench.distill.artifacts.task_assets import TaskAssets
from matekd_bench.distill.models.checkpoints import describe
from matekd_bench.distill.models.networks import ModelSource, weights_digest
from matekd_bench.distill.settings import Optimizer, Training
from matekd_bench.distill.student_run import Job, train
from matekd_bench.distill.training import checkpoint_saver, resume
from matekd_bench.distill.training.outcome import Outcome
from matekd_bench.distill.training.resume import PausedError, ran_out_of_memory
from matekd_bench.errors import CheckpointError, PluginError, RunError, StoppedError
from matekd_bench.files import durable
from matekd_bench.plugins.host import Host
from matekd_bench.results.store.under_way import RunUnderWay
from rig import Given, Kept, kd, toy_data

HOST = Host.load(only_builtin=True)
METHODS = ("kd", "eda", "matekd", "freelb", "tinybert-aug")
TIMES = {"train_seconds", "eval_seconds", "peak_memory", "meter", "evaluations", "resumed"}


def job(method: str | Method, budget=("student_updates", 6), **optimizer) -> Job:
    """A job of three evaluations."""
    record = HOST.method(method).record if isinstance(method, str) else method
    params = record.params()
    if method == "matekd":  # auxiliary updates on both sides of the interruption
        params = record.params(generator_lr=1e-3, generator_updates=2, student_updates=2)
    settings = Optimizer(**{"lr": 1e-3, "batch_size": 16, **optimizer})
    return Job(
        record.name, record, params, 3, Training(optimizer=settings, evaluations=3, max_length=32), budget
    )


def method(views, **attributes) -> Method:
    kind = type("Kind", (Given,), attributes)
    return Method(
        name="given",
        summary="",
        factory=lambda params, context: kind(context, views),
        level="none",
        version="1",
    )


class Stopping:
    """A run that is asked to stop after so many updates, and keeps what it is told."""

    def __init__(self, after: int) -> None:
        self.left, self.sink = after, Kept()

    @property
    def notes(self) -> list[str]:
        return self.sink.texts("note")

    def train(self, job: Job, assets: TaskAssets, kept: RunUnderWay | None = None) -> Outcome:
        return train(job, assets, self.sink, stopping=self._asked, checkpoints=kept)

    def _asked(self) -> bool:
        self.left -= 1
        return self.left == 0


def never() -> Stopping:
    return Stopping(-1)


def resumed_after(run: Stopping) -> list[int]:
    """The updates after which the run said that it continues."""
    notes = "\n".join(run.notes)
    return [int(update) for update in re.findall(r"resuming after update (\d+)", notes)]


@pytest.fixture(scope="module")
def shared(recipe) -> TaskAssets:
    """Assets on toy text with a teacher of two updates."""
    made = TaskAssets(toy_data(), recipe())
    assert len(made.train) == 64
    return made


@pytest.fixture
def kept(tmp_path: Path) -> RunUnderWay:
    return RunUnderWay(tmp_path, "toy-run")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is due after every update."""
    monkeypatch.setattr(checkpoint_saver, "SAVE_SECONDS", 0.0)


def same(first: Outcome, second: Outcome) -> None:
    """Two outcomes are one, but for times."""
    one, two = ({**asdict(end), "student": weights_digest(end.student)} for end in (first, second))
    assert {name: one[name] for name in one.keys() - TIMES} == {
        name: two[name] for name in two.keys() - TIMES
    }
    assert first.meter.state_dict()["passes"].sort() == second.meter.state_dict()["passes"].sort()
    assert first.meter.flops == second.meter.flops
    assert len(first.evaluations) == len(second.evaluations) > 0
    for a, b in zip(first.evaluations, second.evaluations, strict=True):
        assert replace(a, logits={}) == replace(b, logits={})
        assert all(torch.equal(a.logits[split], b.logits[split]) for split in a.logits)


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(name, shared, kept):
    whole = never().train(job(name), shared)
    with pytest.raises(PausedError, match="update 3"):
        Stopping(3).train(job(name), shared, kept)
    going_on = never()
    outcome = going_on.train(job(name), shared, kept)
    assert resumed_after(going_on) == [3]
    assert (whole.resumed, outcome.resumed) == (0, 1)
    same(whole, outcome)


def test_a_run_may_be_stopped_again_and_again(shared, kept):
    whole = never().train(job("kd"), shared)
    for _ in range(5):
        with pytest.raises(PausedError):
            Stopping(1).train(job("kd"), shared, kept)
    outcome = never().train(job("kd"), shared, kept)
    assert outcome.resumed == 5
    same(whole, outcome)


@pytest.mark.parametrize("kind", ["clean_examples", "train_flops"])
def test_every_kind_of_budget_goes_on(kind, shared, kept):
    whole = never().train(job("eda"), shared)
    budget = (kind, whole.meter.flops if kind == "train_flops" else whole.spent.clean_examples)
    whole = never().train(job("eda", budget), shared)
    assert whole.spent.student_updates == 6
    with pytest.raises(PausedError):
        Stopping(2).train(job("eda", budget), shared, kept)
    same(whole, never().train(job("eda", budget), shared, kept))


def test_checkpoints_are_made_by_the_clock_and_two_are_kept(shared, kept, monkeypatch):
    never().train(job("kd"), shared, kept)
    assert not kept.folder.exists()
    monkeypatch.setattr(checkpoint_saver, "SAVE_SECONDS", 0.0)
    never().train(job("kd"), shared, kept)  # none after the last update, which is followed by the record
    assert sorted(path.name for path in kept.folder.iterdir()) == ["000000004", "000000005"]


def test_a_checkpoint_holds_the_weights_of_its_update_while_training_continues(
    shared, kept, always, monkeypatch
):
    """The disk is slow: what it writes was copied when the checkpoint was due."""
    write = kept.write
    monkeypatch.setattr(kept, "write", lambda *content: (time.sleep(0.2), write(*content))[1])
    monkeypatch.setattr(durable, "KEPT", 9)
    never().train(job("kd"), shared, kept)
    whole = never().train(job("kd"), shared)
    shutil.rmtree(kept.folder / "000000005")
    shutil.rmtree(kept.folder / "000000004")
    going_on = never()
    same(whole, going_on.train(job("kd"), shared, kept))
    assert resumed_after(going_on) == [3]


def test_what_came_after_the_last_checkpoint_is_done_again(shared, kept, always):
    """As after SIGKILL, which leaves no time to save: an exception in the middle of an update."""

    def cut(batch, models):
        if batch.update == 5 and kept.folder.exists() and not killed:
            killed.append(1)
            raise StoppedError("", signal.SIGKILL)
        yield batch.clean

    killed: list[int] = []
    whole = never().train(job(method(kd)), shared)
    with pytest.raises(StoppedError):
        never().train(job(method(cut)), shared, kept)
    going_on = never()
    outcome = going_on.train(job(method(cut)), shared, kept)
    assert resumed_after(going_on) == [5]
    same(whole, outcome)


def test_what_a_method_remembers_goes_with_it(shared, kept):
    """A method whose views depend on a number of its own."""

    class Counting(Perturbation[NoParams]):
        warm, seen = 0, 0

        def warm_up(self, batches, models):
            self.warm += 1

        def views(self, batch, models):
            self.seen += 1
            yield batch.clean.weighted(gold=1.0, soft=1.0 / self.seen)

        def state_dict(self):
            return {"seen": self.seen, "warm": self.warm}

        def load_state_dict(self, state):
            self.seen, self.warm = state["seen"], state["warm"]

        def diagnostics(self):
            return {"seen": self.seen, "warm": self.warm}

    record = Method(name="counting", summary="", factory=Counting, level="none", version="1")
    whole = never().train(job(record), shared)
    with pytest.raises(PausedError):
        Stopping(4).train(job(record), shared, kept)
    outcome = never().train(job(record), shared, kept)
    assert (outcome.diagnostics["seen"], outcome.diagnostics["warm"]) == (6, 1)
    same(whole, outcome)


def test_a_damaged_checkpoint_is_passed_over(shared, kept, always):
    whole = never().train(job("kd"), shared)
    with pytest.raises(PausedError):
        Stopping(3).train(job("kd"), shared, kept)
    (kept.folder / "000000003" / resume.STATE).write_bytes(b"half")
    going_on = never()
    same(whole, going_on.train(job("kd"), shared, kept))
    assert resumed_after(going_on) == [2]


def test_a_checkpoint_of_other_versions_is_left_aside(shared, kept, monkeypatch):
    whole = never().train(job("kd"), shared)
    with pytest.raises(PausedError):
        Stopping(1).train(job("kd"), shared, kept)
    monkeypatch.setattr(resume, "FORMAT", 0)
    going_on = never()
    outcome = going_on.train(job("kd"), shared, kept)
    assert len(going_on.notes) == 1
    assert (resumed_after(going_on), outcome.resumed) == ([], 0)
    same(whole, outcome)


def test_a_pickle_in_a_checkpoint_is_not_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"state": Evil()}, tmp_path / resume.STATE)
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        resume.read_state(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_a_state_that_could_not_be_read_again_is_refused_before_the_first_update(shared, kept):
    careless = method(kd, state_dict=lambda self: {"where": [Path("here")]})
    with pytest.raises(PluginError, match=r"'given' has a \w+Path"):
        never().train(job(careless), shared, kept)


def test_seconds_add_up_over_the_parts(shared, kept):
    with pytest.raises(PausedError):
        Stopping(3).train(job("kd"), shared, kept)
    [newest] = kept.folders()
    before, evaluating = resume.read_state(newest)["seconds"]
    outcome = never().train(job("kd"), shared, kept)
    assert outcome.train_seconds + outcome.eval_seconds > before > evaluating > 0


def hungry(most: int, first: int = 0):
    """Views for which memory is too small from update `first` on, where more than `most` rows meet."""

    def views(batch, models):
        if batch.update >= first and len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        yield batch.clean

    return views


def test_rows_per_pass_are_halved_until_memory_is_enough(shared, kept):
    watch = never()
    outcome = watch.train(job(method(hungry(most=5))), shared, kept)
    smaller = never().train(job(method(kd), micro_batch=4), shared)
    assert (outcome.micro_batch, smaller.micro_batch, outcome.resumed) == (4, None, 0)
    assert [re.findall(r"\d+ rows", note) for note in watch.notes] == [["8 rows"], ["4 rows"]]
    same(replace(smaller, micro_batch=4), outcome)
    assert outcome.spent.clean_examples == 6 * 16  # the update is as large as before


def test_without_dropout_smaller_passes_learn_the_same(recipe, tiny_checkpoint, tmp_path):
    """The update is as large as before, so its gradient is the same but for rounding."""
    shutil.copytree(tiny_checkpoint, tmp_path / "still")
    config = json.loads((tmp_path / "still" / "config.json").read_text())
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "still" / "config.json").write_text(json.dumps({**config, **still}))
    student = ModelSource(describe(tmp_path / "still", id="still"), (0, 2))
    assets = TaskAssets(toy_data(), recipe(student=student))
    whole = never().train(job(method(kd), lr=1e-4), assets)
    pieces = never().train(job(method(hungry(most=5)), lr=1e-4), assets)
    assert (whole.micro_batch, pieces.micro_batch) == (None, 4)
    assert whole.spent == pieces.spent
    first, last = whole.evaluations[0].logits["dev"], whole.evaluations[-1].logits["dev"]
    moved = float((last - first).abs().max())
    assert float((pieces.evaluations[-1].logits["dev"] - last).abs().max()) < moved / 1000


def test_out_of_memory_in_the_middle_goes_on_from_the_last_checkpoint(shared, kept, always):
    watch = never()
    outcome = watch.train(job(method(hungry(most=8, first=3))), shared, kept)
    assert "8 rows" in watch.notes[0]
    assert resumed_after(watch) == [3]
    assert (outcome.resumed, outcome.micro_batch) == (1, 8)
    whole = never().train(job(method(kd)), shared)
    assert torch.equal(outcome.evaluations[0].logits["dev"], whole.evaluations[0].logits["dev"])
    assert not torch.equal(outcome.evaluations[1].logits["dev"], whole.evaluations[1].logits["dev"])


def test_the_smaller_pass_outlives_an_interruption(shared, kept):
    with pytest.raises(PausedError):
        Stopping(3).train(job(method(hungry(most=8))), shared, kept)
    outcome = never().train(job(method(kd)), shared, kept)
    assert outcome.micro_batch == 8
    same(never().train(job(method(hungry(most=8))), shared), outcome)


def test_out_of_memory_with_a_single_row_is_one_line(shared, kept):
    with pytest.raises(RunError, match="one row"):
        never().train(job(method(hungry(most=0))), shared, kept)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"), False),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_how_torch_says_that_memory_is_too_small(error, expected):
    assert ran_out_of_memory(error) is expected
