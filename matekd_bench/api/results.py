"""The public results: the records of one or more results folders, and what can be computed from them."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from matekd_bench.api.frames import frame_of, joined
from matekd_bench.api.leaderboard import Leaderboard
from matekd_bench.api.signals import interrupts
from matekd_bench.errors import unknown
from matekd_bench.methods.grammar import NO_REFERENCE
from matekd_bench.plugins.host import Host
from matekd_bench.plugins.known_names import known_methods, known_tasks, tasks_and_suites
from matekd_bench.results.store import RESULTS
from matekd_bench.results.store.collection import read_folders
from matekd_bench.spelling import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from matekd_bench.api.student import Student
    from matekd_bench.results.leaderboard.evidence import Evidence
    from matekd_bench.results.records.run_record import Record
    from matekd_bench.results.report.sheets import View
    from matekd_bench.results.stats.paired_tests import CheckpointComparison
    from matekd_bench.results.store.results_store import ResultsStore
    from matekd_bench.results.store.verification import Verification
    from matekd_bench.study.pipeline import StudySummary
    from matekd_bench.tasks.task import Suite, Task
    from matekd_bench.tools.deployment.card_facts import CardFacts
    from matekd_bench.tools.reproduce import Reproduction


def load_results(
    *folders: str | Path, plugins: Sequence[str | Path] = (), no_plugins: bool = False
) -> Results:
    """Read results folders; without arguments, the folder ``results``.

    A run that is in several folders counts once. `plugins` are additional plugin files, and `no_plugins` excludes the
    plugins of other packages. Damaged records are left out with a warning. Loads neither torch nor evaluate.

    Raises ResultsError for a missing folder, and if two records of one run have different results.
    """
    host = Host.load([Path(file) for file in plugins], only_builtin=no_plugins)
    results = Results.read(host, [Path(folder) for folder in folders])
    for line in (*host.warnings, *results.warnings):
        warnings.warn(line, stacklevel=2)
    return results


def merge_results(
    *folders: str | Path, into: str | Path, plugins: Sequence[str | Path] = (), no_plugins: bool = False
) -> Results:
    """Merge results folders into the new folder `into`, which appears complete or not at all, and read it.

    Equal runs and data sets are copied once. Damaged runs are left out with a warning. `plugins` and `no_plugins` are
    as in :func:`load_results`.

    Raises ResultsError and writes nothing if the folders contradict each other, or if `into` exists; UsageError for
    fewer than two folders.
    """
    from matekd_bench.results.store.merging import merge

    target = Path(into).expanduser()
    merged = merge([Path(folder).expanduser() for folder in folders], target)
    for line in (*(f"left out: {reason}" for reason in merged.left_out), *merged.code_notes):
        warnings.warn(line, stacklevel=2)
    return load_results(target, plugins=plugins, no_plugins=no_plugins)


@dataclass(frozen=True, repr=False)
class Results:
    """Recorded runs, from `load_results` or `Study.run`.

    A run is named by its id, by the start of its id, or by its folder. `records` are the runs' records. `stores` maps a
    run id to the results folder that holds the run. `warnings` names damaged records, which were left out. `reference`
    is the default reference method of leaderboards. `summary` describes how the study ended that trained the runs; it
    is None for loaded results.
    """

    records: Sequence[Record]
    stores: Mapping[str, ResultsStore]
    host: Host
    warnings: tuple[str, ...] = ()
    reference: str = "kd"
    summary: StudySummary | None = None

    @classmethod
    def read(cls, host: Host, folders: Sequence[Path], only: Collection[str] | None = None) -> Results:
        """Read the records in `folders` (none: the folder ``results``), or only the run ids in `only`."""
        collection = read_folders([folder.expanduser() for folder in folders] or [RESULTS])
        records = [record for record in collection.records if only is None or record.run_id in only]
        damaged = tuple(f"{folder} was left out: {reason}" for folder, reason in collection.damaged)
        return cls(records, collection.stores, host, damaged)

    @property
    def tasks(self) -> dict[str, Task]:
        """The installed tasks by name."""
        return tasks_and_suites(self.host)[0]

    @property
    def suites(self) -> list[Suite]:
        """The installed suites, by name."""
        return tasks_and_suites(self.host)[1]

    @cached_property
    def evidence(self) -> Evidence:
        """The predictions of the runs, read from their folders when they are first needed."""
        from matekd_bench.results.leaderboard.evidence import Evidence

        return Evidence(self.stores)

    def leaderboard(
        self,
        *,
        methods: str | Sequence[str] | None = None,
        tasks: str | Sequence[str] | None = None,
        reference: str | None = None,
        sort: str | None = None,
        match: Sequence[str] = (),
        by: str | None = None,
    ) -> Leaderboard:
        """Compute the leaderboard of all runs, and show all of it or a part.

        `methods` and `tasks` select rows and columns; intervals, corrections and verdicts remain those of all runs.
        `reference` is the method that others are compared with, "none" for none. `sort` is delta, score, cost, name or
        a task. `match` keeps the protocols whose ids start with one of its entries. `by` chooses the view: None for
        scores, comparison and cost, "task" for a table per task, "cost" or "diagnostics".

        Raises UsageError, with the nearest match, for a name that is not in any table.
        """
        from matekd_bench.results.leaderboard import row_filters
        from matekd_bench.results.leaderboard.build import build

        view = view_of(by)
        chosen, listed, named = self._known_reference(reference), joined(methods), joined(tasks)
        data = build(
            self.records, tasks=self.tasks, suites=self.suites, reference=chosen, evidence=self.evidence,
            plan=self.summary.plan.study.runs if self.summary and self.summary.plan else None,
        )  # fmt: skip
        data = row_filters.select_protocols(data, [match] if isinstance(match, str) else match)
        data = row_filters.select_rows_and_columns(
            row_filters.sort_rows(data, sort and known_tasks(sort, self.host)),
            listed and ",".join(known_methods(name, self.host) for name in row_filters.split_names(listed)),
            named and known_tasks(named, self.host),
            self.suites,
        )
        return Leaderboard(data, self.records, self.suites, self.host, view, self.evidence)

    def _known_reference(self, reference: str | None) -> str | None:
        name = reference or self.reference
        return None if name == NO_REFERENCE else known_methods(name, self.host)

    def runs(self, *, long: bool = False) -> pd.DataFrame:
        """Return a row per run: method, task, seed, score, status, cost and the other columns of ``runs.csv``.

        With `long` the rows and columns are those of ``runs.csv``: one row per run, split, selection and metric. Its
        column `headline` is true for one row per run; to average over runs, use only these rows.
        """
        from matekd_bench.results.report.export_tables import run_rows, run_table

        if not long:
            return frame_of(run_table(self.records))
        return frame_of(run_rows(self.records, self.evidence.xfits(self.records, self.tasks)))

    def curves(self) -> pd.DataFrame:
        """Return a row per evaluation of each run: update, score on dev and training loss."""
        from matekd_bench.results.report.export_tables import curve_rows

        return frame_of(curve_rows(self.records))

    def failures(self) -> pd.DataFrame:
        """Return the runs that failed, collapsed or diverged, with status and reason; failed ones first."""
        from matekd_bench.results.report.cells import PROBLEMS

        frame = self.runs()[["run_id", "method", "variant", "task", "seed", "status", "reason"]]
        frame = frame[frame["status"].isin(PROBLEMS)]
        order = frame["status"].map({"failed": 0}).fillna(1)
        return frame.loc[order.sort_values(kind="stable").index].reset_index(drop=True)

    def find(self, run: str | Path) -> Record:
        """Return the record of a run; raise UsageError, with the nearest match, unless exactly one run fits.

        `run` may also be a folder that `save_student` wrote.
        """
        from matekd_bench.results.store.students_folder import run_of_student
        from matekd_bench.tools.compare import find_run

        folder = Path(run).expanduser()
        name = folder.resolve().name if is_run_folder(folder) else run_of_student(folder) or str(run)
        return find_run(self.records, name, self.tasks)

    def compare(self, run_a: str | Path, run_b: str | Path) -> CheckpointComparison:
        """Test whether two checkpoints differ: exact McNemar for accuracy, permutations for other metrics.

        The result applies to these two checkpoints only, not to their methods: another seed gives other checkpoints.
        """
        from matekd_bench.tools.compare import compare_runs

        return compare_runs(self.find(run_a), self.find(run_b), self.evidence, self.tasks)

    def predictions(
        self, run: str | Path, *, texts: bool = True, glue_dir: str | Path | None = None
    ) -> pd.DataFrame:
        """Return the answers of a run at its last evaluation, a row per example of dev.

        The columns are `split`, `uid`, the task's text fields, `label`, `prediction` and the logits, `logit_LABEL` for
        each class. Texts are read again from the task's data, for GLUE from `glue_dir` or the Hub, and checked against
        the digest in the record. ``texts=False`` leaves them out. Raises ResultsError for a run without predictions and
        for a diverged run, whose score is that of the most frequent class.
        """
        from matekd_bench.api.run_predictions import predictions_frame

        record = self.find(run)
        return predictions_frame(record, self.stores[record.run_id], self.tasks if texts else None, glue_dir)

    def student(self, run: str | Path, *, device: str = "auto") -> Student:
        """Load the kept student of a run, for predictions on other texts; loads torch.

        Raises ResultsError if the run kept none.
        """
        from matekd_bench.api.student import Student

        record = self.find(run)
        task = self.tasks.get(record.identity.task)
        return Student(record, self.stores[record.run_id].root, device, len(task.fields) if task else None)

    def save_student(
        self, run: str | Path, folder: str | Path, *, onnx: bool = False, glue_dir: str | Path | None = None
    ) -> CardFacts:
        """Write the kept student of a run to a new folder: weights, tokenizer, model card; with `onnx` as ONNX too.

        The ONNX model must answer the dev set as recorded; its texts are read again, for GLUE from `glue_dir` or the
        Hub. Returns what the model card says; loads torch. Raises UsageError if the folder exists, ResultsError if the
        run kept no student, and CheckpointError if the ONNX model cannot be made or answers otherwise.
        """
        from matekd_bench.tools.deployment.student_folder import write_student

        return write_student(
            self.find(run), self.records, self.stores, self.tasks, Path(folder).expanduser(),
            onnx=onnx, glue_dir=_folder(glue_dir),
        )  # fmt: skip

    def serving_costs(
        self,
        *runs: str | Path,
        device: str = "auto",
        teacher: str | None = None,
        glue_dir: str | Path | None = None,
    ) -> pd.DataFrame:
        """Measure what the kept students of runs and their teachers cost in use, all in one go on this machine.

        Returns a row per model: parameters, megabytes in float32, and milliseconds per text with batches of 1 and 32.
        A run may be named by a folder that `save_student` wrote; an ONNX model in it has a row of its own. `teacher`
        names the teacher's checkpoint if it has moved; loads torch. Raises ResultsError if a run kept no student, and
        CheckpointError if a model cannot be loaded.
        """
        from matekd_bench.tools.deployment.serving_costs import serving_costs
        from matekd_bench.tools.deployment.student_folder import written_students

        costs = serving_costs(
            [self.find(run) for run in runs], self.stores, self.tasks,
            device=device, glue_dir=_folder(glue_dir), teacher=teacher, written=written_students(runs, self.find),
        )  # fmt: skip
        return frame_of(costs.table())

    def submit(
        self,
        path: str | Path,
        method: str,
        *,
        seed: int = 0,
        device: str = "auto",
        glue_dir: str | Path | None = None,
    ) -> dict[str, str]:
        """Write the test predictions of a method's nine students to a zip file as the GLUE server takes it.

        Returns the run behind each table of the file. Raises UsageError unless all tasks of GLUE were trained with
        `seed` on their official, complete data, ResultsError if a student was not kept, and DataError for partial test
        splits.
        """
        from matekd_bench.tools.submission import runs_of, write_submission

        runs = runs_of(self.records, known_methods(method, self.host), seed, self.evidence.preset_params)
        return write_submission(
            Path(path).expanduser(), runs, self.stores, self.tasks, device=device, glue_dir=_folder(glue_dir)
        )

    def reproduce(
        self,
        run: str | Path,
        *,
        into: str | Path | None = None,
        fresh: bool = False,
        glue_dir: str | Path | None = None,
        teacher_answers: str | Path | None = None,
        teacher: str | None = None,
        student: str | None = None,
        generator: str | None = None,
        device: str | None = None,
        threads: int | None = None,
        quiet: bool = False,
    ) -> Reproduction:
        """Train a run again and compare the numbers to the last bit; printed, the result is a report.

        `same` of the result is true if they are equal; `numbers` and `conditions` list what differs. The new record is
        kept in the folder `into`, if there is one. With `fresh`, teacher and generator are trained from scratch too.
        The other arguments are the places of data and models on this machine, its device and CPU threads; None means as
        recorded. The plugin of a run is only used if it was given to :func:`load_results`. Loads torch.

        Raises ResultsError, before any training, if data, method or settings differ from those of the record.
        """
        from matekd_bench.screen.progress import watcher
        from matekd_bench.tools.reproduce import reproduce

        record = self.find(run)
        with interrupts(), watcher(quiet=quiet) as sink:
            return reproduce(
                self.stores[record.run_id], record.run_id, self.host, sink,
                into=_folder(into), fresh=fresh, device=device, threads=threads, glue_dir=_folder(glue_dir),
                teacher_answers=_folder(teacher_answers),
                checkpoints={"teacher": teacher, "student": student, "generator": generator},
            )  # fmt: skip

    def verified(self) -> tuple[Results, Verification]:
        """Recompute the scores from the predictions, and leave out runs whose records do not agree."""
        from matekd_bench.results.store.verification import Verifier

        verifier = Verifier({name: task.metrics for name, task in self.tasks.items()})
        records = [
            record for record in self.records if not verifier.verify(record, self.stores[record.run_id])
        ]
        return replace(self, records=records), verifier.result

    def export(self, path: str | Path) -> None:
        """Write the rows of ``runs(long=True)`` to a .csv, .json or .md file, or to a format of a plugin."""
        from matekd_bench.results.report.export import export

        export(
            Path(path).expanduser(), "runs", self.records, tasks=self.tasks, suites=self.suites, evidence=self.evidence,
            exporters=self.host.exporters,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        folders = sorted({str(self.stores[record.run_id].root) for record in self.records})
        return f"<Results: {counted(len(self), 'run')}{' in ' * bool(folders)}{', '.join(folders)}>"


def is_run_folder(run: str | Path) -> bool:
    """Return True if `run` is the folder of a recorded run rather than its id."""
    return (Path(run) / "record.json").is_file()


def view_of(by: str | None) -> View:
    """Return the view for the argument `by` of `Results.leaderboard`; raise UsageError if there is no such view."""
    views: dict[str | None, View] = {
        None: "overall",
        "task": "task",
        "cost": "cost",
        "diagnostics": "diagnostics",
    }
    if by not in views:
        raise unknown("view", str(by), [name for name in views if name])
    return views[by]


def _folder(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path).expanduser()
