"""The public study: planned, trained and continued from Python."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matekd_bench.api.dry_run import DryRun
from matekd_bench.api.frames import frame_of_records, joined
from matekd_bench.api.method_objects import MethodLike, split_methods
from matekd_bench.api.results import Results
from matekd_bench.api.signals import interrupts
from matekd_bench.events import Message
from matekd_bench.methods.grammar import NO_REFERENCE
from matekd_bench.plugins.host import Host
from matekd_bench.screen.progress import watcher

if TYPE_CHECKING:
    import pandas as pd

    from matekd_bench.events import Sink
    from matekd_bench.study.pipeline import StudySummary
    from matekd_bench.study.spec.request import StudyRequest


class Study:
    """A study: methods, tasks and all other settings of a comparison, checked when the object is made.

    The settings have the names that they have in a config file, or the short names of the command line's options::

        Study(methods="matekd,eda", tasks="rte", preset="minilm", glue_dir="glue", seeds=3, sets={"eda.alpha": 0.2})

    `methods` is a list as for ``--methods``, or a sequence of such texts, classes that extend `Perturbation`, and
    `Method` records. Methods given as objects train in this process; several runs at a time are refused. The source of
    an object, and of everything that it uses, is part of its runs' identity. `plugins` are additional plugin files,
    `no_plugins` excludes the plugins of other packages, and `offline` refuses every connection to another machine. As
    on the command line, the environment variable ``GLUE_DIR`` names the GLUE folder.

    Raises UsageError, in one line, for an unknown name or setting and for a value out of bounds, and PluginError for an
    object that is not a valid method.
    """

    def __init__(
        self,
        methods: str | MethodLike | Sequence[MethodLike] | None = None,
        tasks: str | Sequence[str] | None = None,
        *,
        plugins: Sequence[str | Path] = (),
        no_plugins: bool = False,
        offline: bool = False,
        **settings: Any,
    ) -> None:
        from matekd_bench.study.spec.request import make_request

        names, objects = split_methods(methods)
        host = Host.load([Path(file) for file in plugins], only_builtin=no_plugins, objects=objects)
        given = {"methods": names, "tasks": joined(tasks), **settings}
        given = {key: value for key, value in given.items() if value is not None}
        home = os.environ.get("GLUE_DIR")
        self.host = host
        self.request = make_request(
            given, host, command=_command(given), from_python=True,
            glue_home=Path(home).expanduser() if home else None,
        )  # fmt: skip
        self._fetching = (
            prepare_command(given, plugins, from_glue_dir="glue_dir" in given) if offline else None
        )

    @classmethod
    def from_file(cls, file: str | Path, **settings: Any) -> Study:
        """Return the study of a config file; `settings` override it as options of the command line do."""
        return cls(config=str(file), **settings)

    @classmethod
    def of(cls, request: StudyRequest, host: Host) -> Study:
        """Return the study of an existing request, such as one from the command line."""
        study = cls.__new__(cls)
        study.request, study.host, study._fetching = request, host, None
        return study

    def plan(self, results: str | Path | None = None, *, quiet: bool = False) -> DryRun:
        """Return the table of runs with estimates, and train nothing.

        Runs with a record in the folder `results` count as done. Raises a BenchError for every problem that can be
        found before training.
        """
        with interrupts(), watcher(quiet=quiet) as sink:
            summary = self._run(sink, results, dry_run=True)
        assert summary.plan is not None  # a dry run starts no processes that follow another
        return DryRun(summary.plan)

    def run(
        self, results: str | Path | None = None, *, quiet: bool = False, verbose: bool = False
    ) -> Results:
        """Train every run that has no record in the folder `results`, and return the results of this study.

        `results` is ``results`` by default. Progress is shown in the terminal or the notebook; `quiet` shows only
        warnings, `verbose` every evaluation. A run that fails is recorded, and the others continue; `Results.failures`
        lists failed runs. An interrupt saves the current run and raises KeyboardInterrupt; the next call resumes it.

        Raises a BenchError if nothing can start, or if no run can be recorded.
        """
        with interrupts(), watcher(quiet=quiet, verbose=verbose) as sink:
            return self.execute(sink, results)

    def prepare(self, *, quiet: bool = False) -> pd.DataFrame:
        """Fetch the models, data and resources of the study that are not on this machine; a row for each.

        The columns are those of ``matekd-bench prepare --json``: `state` is "there", "fetched" or "missing", `todo`
        says what to do about a missing part, and `needed` is false if the study can do without it. With ``offline``
        nothing is fetched.
        """
        from matekd_bench.tools.prepare import Requirement, prepare_study

        with interrupts(), self._network(), watcher(quiet=quiet) as sink:
            parts = prepare_study(
                self.request.spec, self.host, lambda text: sink.emit(Message(kind="stage", text=text))
            )
            return frame_of_records(Requirement, parts)

    def execute(self, sink: Sink, results: str | Path | None = None) -> Results:
        """Run the study and report its events to `sink`; raise StoppedError after a signal.

        In a process that only helps another one to train, the results are empty.
        """
        summary = self._run(sink, results)
        folder = self._request_for(results).execution.results
        if summary.plan is None:
            return Results((), {}, self.host, summary=summary)
        runs = {run.run_id for run in summary.plan.study.runs}
        if not runs:  # a shard of a study with fewer runs than shards; `merge` accepts the empty folder
            (folder / "runs").mkdir(parents=True, exist_ok=True)
            return Results((), {}, self.host, summary=summary)
        reference = summary.plan.study.reference or NO_REFERENCE
        read = Results.read(self.host, [folder], runs)
        return replace(read, reference=reference, summary=summary)

    def _run(self, sink: Sink, results: str | Path | None, *, dry_run: bool = False) -> StudySummary:
        from matekd_bench import study

        with self._network():
            return study.run(self._request_for(results), self.host, sink, dry_run=dry_run)

    def _network(self) -> AbstractContextManager[None]:
        """Return the context in which connections are refused if the study is offline."""
        from matekd_bench.files.hub.network import offline

        return nullcontext() if self._fetching is None else offline(self._fetching)

    def _request_for(self, results: str | Path | None) -> StudyRequest:
        if results is None:
            return self.request
        execution = self.request.execution.model_copy(update={"results": Path(results).expanduser()})
        return replace(self.request, execution=execution)

    def __repr__(self) -> str:
        return self.request.command


def _command(settings: Mapping[str, Any]) -> str:
    """Return the call that makes the study, for records and messages."""
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    return f"matekd_bench.Study({', '.join(f'{key}={value!r}' for key, value in plain.items())})"


def prepare_command(
    settings: Mapping[str, Any], plugins: Sequence[str | Path], *, from_glue_dir: bool
) -> str:
    """Return the `prepare` command that fetches what a study with these settings reads."""
    names = (
        *("preset", "config", "methods", "tasks", "also", "also_dir"),
        *("teacher", "teacher_answers", "student", "generator"),
    )
    return command_with("prepare", [*names, *["glue_dir"] * from_glue_dir], settings, plugins)


def command_with(
    command: str, names: Sequence[str], settings: Mapping[str, Any], plugins: Sequence[str | Path]
) -> str:
    """Return a command with those of the settings `names` that are set, as options, quoted for the shell."""
    words = ["matekd-bench", command]
    for name in names:
        if isinstance(value := settings.get(name), (str, Path, int)):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join([*words, *(word for file in plugins for word in ("--plugin", str(file)))])
