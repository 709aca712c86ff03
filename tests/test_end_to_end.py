"""The main job as a user meets it: studies run from the command line on real models, files and records."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forked import start
from matekd_bench.cli import main
from matekd_bench.results.records.run_record import Record, from_json, to_json
from matekd_bench.results.store.results_store import ResultsStore

MATEKD = "matekd[generator_lr=0.0005,generator_updates=20,student_updates=20]"  # as the preset sets it
METHODS = ("kd", "finetune", "random-mask", "eda", "nlpaug:swap", MATEKD)
LISTED = "finetune,random-mask,eda,nlpaug:swap,matekd"
Options = tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """What a command gave: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def table(self) -> str:
        """What was printed without the last line, which counts what was trained."""
        return self.out.rpartition("\n" + self.closing)[0]

    @property
    def closing(self) -> str:
        return self.out.splitlines()[-1]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many runs were trained, already recorded and failed."""
        return tuple(map(int, re.findall(r"\d+", self.closing)[:3]))


def call(*arguments: str | Path) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def records(results: Path) -> dict[str, Record]:
    """The records of a results folder by variant and task."""
    found = ResultsStore(results).records()
    return {f"{one.identity.variant} {one.identity.task} {one.identity.seed}": one for one in found}


def plan(*arguments: str | Path) -> dict[str, bool]:
    """What a dry run says: variant, task and seed, and whether they are recorded."""
    done = call(*arguments, "--dry-run", "--json")
    assert done.code == 0, done.err
    return {
        f"{run['method']} {run['task']} {run['seed']}": run["done"] for run in json.loads(done.out)["runs"]
    }


def lasting(record: Record) -> dict[str, Any]:
    """A record without what may differ between two runs of one identity: times, memory, provenance."""
    plain: dict[str, Any] = json.loads(to_json(record))
    del plain["provenance"]
    for name in ("train_seconds", "eval_seconds", "precompute_seconds", "peak_memory_bytes"):
        del plain["compute"][name]
    return plain


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the study that most tests look at."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(study_options: Options, results: Path) -> Options:
    return ("run", *study_options, "--methods", LISTED, "--tasks", "rte", "--results", str(results))


@pytest.fixture(scope="module")
def first(study: Options) -> Done:
    return call(*study)


def test_the_grid_is_trained_and_recorded(first: Done, results: Path) -> None:
    [weak_teacher] = first.err.splitlines()
    assert (first.code, weak_teacher.partition(" scores")[0]) == (0, "warning: the teacher for rte")
    found = records(results)
    assert set(found) == {f"{variant} rte 0" for variant in METHODS}
    for record in found.values():
        assert record.status in {"ok", "collapsed"}
        assert record.compute.student_updates == record.budget.spent == 4
        assert [evaluation.update for evaluation in record.curve] == [2, 4]
        assert record.data.state_text == "partial (train 64 of 2490, dev 40 of 277)"
        path = results / "runs" / record.run_id / "record.json"
        assert to_json(from_json(path.read_text())) == path.read_text()


def test_the_leaderboard_names_reference_teacher_and_every_method(first: Done, results: Path) -> None:
    names = {line.partition(" | ")[0].strip() for line in first.out.splitlines()}
    roles = {"kd (reference)", "finetune (baseline)", "random-mask (ablation)"}
    assert {"teacher", *roles, *METHODS[3:5], "matekd"} <= names  # the preset sets matekd's parameter
    assert first.counts == (6, 0, 0)
    notes = " ".join(call("leaderboard", "--notes", "--results", results).out.split())
    assert "Preset minilm sets matekd.generator_lr=0.0005" in notes
    assert "no GLUE score" in notes


def test_the_same_command_trains_nothing_and_prints_the_same_table(
    first: Done, study: Options, results: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    again = call(*study)
    assert (again.code, again.table, again.counts) == (0, first.table, (0, 6, 0))
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_another_process_prints_the_same_table(first: Done, study: Options) -> None:
    command = [sys.executable, "-m", "matekd_bench", *study]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == call(*study).out


@pytest.mark.usefixtures("first")
def test_a_deleted_run_is_trained_again_alone_to_the_same_bits(study: Options, results: Path) -> None:
    before = records(results)
    lost = before[f"{MATEKD} rte 0"]
    folder = results / "runs" / lost.run_id
    predictions = (folder / "predictions.npz").read_bytes()
    shutil.rmtree(folder)
    done = call(*study)
    assert done.counts == (1, 5, 0)
    after = records(results)
    assert lasting(after.pop(f"{MATEKD} rte 0")) == lasting(lost)
    assert (folder / "predictions.npz").read_bytes() == predictions
    assert all(after[name] == before[name] for name in after)


@pytest.mark.usefixtures("first")
def test_neither_order_nor_company_changes_a_run(
    study_options: Options, results: Path, tmp_path: Path
) -> None:
    options = ("run", *study_options, "--tasks", "rte", "--results", tmp_path)
    assert call(*options, "--methods", "eda,finetune", "--reference", "none").code == 0
    alone, before = records(tmp_path), records(results)
    assert set(alone) == {"eda rte 0", "finetune rte 0"}
    for name, record in alone.items():
        assert lasting(record) == lasting(before[name])


@pytest.mark.usefixtures("first")
def test_seeds_are_different_runs(study_options: Options, results: Path, tmp_path: Path) -> None:
    options = ("run", *study_options, "--methods", "kd", "--tasks", "rte", "--results", tmp_path)
    done = call(*options, "--first-seed", "1", "--seeds", "2")
    assert done.code == 0
    found = {"kd rte 0": records(results)["kd rte 0"], **records(tmp_path)}
    assert set(found) == {"kd rte 0", "kd rte 1", "kd rte 2"}
    assert len({run.run_id for run in found.values()}) == 3
    assert len({run.student.sha256 for run in found.values() if run.student}) == 3
    assert len({run.predictions.sha256 for run in found.values() if run.predictions}) == 3


@pytest.mark.usefixtures("first")
def test_a_run_is_known_by_content_not_by_place(
    study: Options, tiny_checkpoint: Path, small_glue: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "model")
    shutil.copytree(small_glue, tmp_path / "data")
    moved = ("--teacher", tmp_path / "model", "--glue-dir", tmp_path / "data")
    assert all(plan(*study, *moved).values())
    with (tmp_path / "data" / "RTE" / "dev.tsv").open("a") as file:
        file.write("9\tthe cat sings\ta dog sings\tentailment\n")
    assert not any(plan(*study, *moved).values())


@pytest.mark.usefixtures("first")
def test_only_what_a_method_uses_is_part_of_its_identity(study: Options) -> None:
    assert all(plan(*study).values())
    other = plan(*study, "--generator", "layers:3")
    assert [name for name, done in other.items() if not done] == [f"{MATEKD} rte 0"]
    assert not any(plan(*study, "--student", "layers:3").values())
    assert not any(plan(*study, "--budget", "student_updates=5").values())


@pytest.mark.usefixtures("first")
def test_the_number_of_threads_is_part_of_a_run_on_a_cpu(study: Options) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        assert not any(plan(*study, "--threads", "2").values())
    finally:
        torch.set_num_threads(before)


def test_all_nine_tasks_on_real_data(glue_dir: Path, study_options: Options, tmp_path: Path) -> None:
    """All are read and planned; the one with two dev splits and the regression are trained."""
    limits = ("--limit-train", "32", "--limit-eval", "16", "--glue-dir", glue_dir)
    study = ("run", *study_options, *limits, "--methods", "kd", "--results", tmp_path)
    planned = call(*study, "--tasks", "glue", "--dry-run")
    states = dict(re.findall(r"^data of (\w+): (.*)$", planned.out, re.MULTILINE))
    assert set(states) == {"cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"}
    assert all(state.startswith("partial (train 32 of ") for state in states.values())
    done = call(*study, "--tasks", "mnli,stsb")
    assert done.code == 0
    mnli, stsb = (records(tmp_path)[f"kd {task} 0"] for task in ("mnli", "stsb"))
    assert [stsb.scores[0].n, mnli.scores[0].n] == [16, 16]
    assert states["stsb"] == stsb.data.state_text
    assert set(mnli.data.splits) == {"train", "dev-matched"}
    [notice] = [notice for notice in mnli.data.notices if "MNLI/dev_mismatched.tsv" in notice]
    notes = " ".join(call("leaderboard", "--notes", "--results", tmp_path).out.split())
    assert "no GLUE score" in notes
    assert notice in notes
    assert "dev-mismatched" in mnli.data.state_text
    assert str(glue_dir) not in to_json(mnli).partition('"provenance"')[0]
    assert str(glue_dir) not in done.out


@pytest.mark.usefixtures("first")
def test_tables_can_be_had_again_from_the_records(study: Options, results: Path, tmp_path: Path) -> None:
    printed = call("leaderboard", "--results", results)
    assert printed.code == 0
    assert "kd (reference)" in printed.out
    rows = json.loads(call("leaderboard", "--results", results, "--json").out)
    assert {row["variant"] for row in rows if row["method"] != "teacher"} == set(METHODS)
    assert json.loads(call(*study, "--json").out) == rows
    files = [tmp_path / name for name in ("a.csv", "b.csv")]
    for file in files:
        assert call("export", file, "--table", "runs", "--results", results).code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (
        len(files[0].read_text().splitlines()) == 1 + 6 * 2 * 2
    )  # accuracy and task score, last and best evaluation


PLUGIN = """
from matekd_bench import Method, Perturbation, hookimpl

class Fragile(Perturbation):
    notices = ("fragile is easily broken",)

    def views(self, batch, models):
        if batch.update == 2 and {broken}:
            raise ValueError("no more\\nviews")
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="fragile", summary="raises", factory=Fragile, level="text", version="1")
"""


def fragile(file: Path, broken: bool) -> str:
    """A one-file plugin whose method raises in training, or does not."""
    file.write_text(PLUGIN.format(broken=broken))
    return str(file)


def test_a_method_that_raises_costs_its_own_run(study_options: Options, tmp_path: Path) -> None:
    plugin, results = fragile(tmp_path / "fragile.py", broken=True), tmp_path / "results"
    command = ["run", *study_options, "--methods", "fragile,finetune", "--tasks", "rte,sst2"]
    command += ["--results", str(results), "--plugin", plugin]
    done = call(*command)
    found = records(results)
    assert (done.code, len(found)) == (1, 6)
    assert {name for name, run in found.items() if run.status == "failed"} == {
        "fragile rte 0",
        "fragile sst2 0",
    }
    assert found["fragile rte 0"].reason == "ValueError: no more views (fragile.py, line 9)"
    assert [line for line in done.err.splitlines() if "fragile on rte" in line and "no more views" in line]
    assert ("Traceback" in done.err, done.counts) == (False, (4, 0, 2))
    shutil.rmtree(results / "runs" / found["kd rte 0"].run_id)
    verbose = [argument for argument in command if argument != "--quiet"] + ["--verbose", "--tasks", "rte"]
    again = call(*verbose)
    assert (again.code, again.counts) == (1, (1, 1, 1))
    said = ("[1/2] kd on rte, seed 0", "[2/2] fragile on rte, seed 0", 'fragile.py", line 9, in views')
    assert [part for part in said if part not in again.err] == []
    assert again.err.count("fragile is easily broken") == 1


def test_the_source_of_a_one_file_plugin_is_part_of_its_runs(study_options: Options, tmp_path: Path) -> None:
    options = ("run", *study_options, "--methods", "fragile", "--tasks", "rte", "--results", tmp_path / "r")
    plugin = ("--plugin", fragile(tmp_path / "fragile.py", broken=False))
    assert call(*options, *plugin).code == 0
    assert plan(*options, *plugin) == {"kd rte 0": True, "fragile rte 0": True}
    with (tmp_path / "fragile.py").open("a") as file:
        file.write("\nSTRENGTH = 2\n")
    assert plan(*options, *plugin) == {"kd rte 0": True, "fragile rte 0": False}


def test_a_notice_of_a_method_is_said_once(
    study_options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matekd_plugins.eda.thesaurus.wordnet_places", lambda: iter(()))
    options = [option for option in study_options if option != "--quiet"]
    command = ("run", *options, "--methods", "eda,eda[alpha=0.2]", "--tasks", "rte", "--seeds", "2")
    planned = call(*command, "--results", tmp_path, "--dry-run")
    assert (planned.code, planned.err.count("no WordNet")) == (0, 1)
    done = call(*command, "--results", tmp_path)
    assert done.code == 0
    before, _, after = done.err.partition("no WordNet")
    assert "eda, eda[alpha=0.2] on rte" in before
    assert "teacher for rte" not in before
    assert "no WordNet" not in after
    perturbers = [run.perturber for run in records(tmp_path).values() if run.identity.method == "eda"]
    assert len(perturbers) == 4
    assert all(one and one.resources["thesaurus"].startswith("embedded thesaurus v1") for one in perturbers)


HOLDING = """
import os, time
from pathlib import Path
from matekd_bench import Method, Perturbation, hookimpl

class Holding(Perturbation):
    def views(self, batch, models):
        if batch.update == 2 and "HOLD" in os.environ:
            Path(os.environ["HOLD"]).touch()
            time.sleep(60)
        yield batch.clean

@hookimpl
def matekd_bench_methods():
    yield Method(name="holding", summary="waits", factory=Holding, level="text", version="1")
"""


def test_an_interrupt_keeps_what_is_finished(study_options: Options, tmp_path: Path) -> None:
    (tmp_path / "holding.py").write_text(HOLDING)
    results, mark = tmp_path / "results", tmp_path / "mark"
    command = ["run", *study_options, "--methods", "holding,finetune", "--tasks", "rte"]
    command += ["--results", str(results), "--plugin", str(tmp_path / "holding.py")]
    process = start(command, HOLD=str(mark))
    while not mark.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("warning: the teacher for rte")
    assert process.stderr.readline().startswith("stopping")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert (err.split(";")[0], err.count("\n")) == ("interrupted", 1)
    kept = records(results)
    assert [(name, run.status in {"ok", "collapsed"}) for name, run in kept.items()] == [("kd rte 0", True)]
    left = {path.name for path in (results / "runs").iterdir()}
    assert left == {".partial", kept["kd rte 0"].run_id}
    done = call(*command)
    assert done.counts == (2, 1, 0)
    assert records(results)["kd rte 0"] == kept["kd rte 0"]


def test_the_study_may_be_said_by_a_config_file_alone(
    study_options: Options, tiny_config: Path, small_glue: Path, tmp_path: Path
) -> None:
    file = tmp_path / "study.toml"
    said = f'methods = "eda"\ntasks = "sst2"\nglue_dir = "{small_glue}"\n'
    file.write_text(said + tiny_config.read_text())
    # without --config and --glue-dir
    command = ("run", *study_options[4:], "--config", file, "--results", tmp_path / "r")
    assert plan(*command) == {"kd sst2 0": False, "eda sst2 0": False}
    assert not (tmp_path / "r").exists()
    assert set(plan(*command, "--tasks", "rte,stsb")) == {"kd rte 0", "eda rte 0", "kd stsb 0", "eda stsb 0"}
