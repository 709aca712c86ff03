"""The checked settings of a study: a preset, overridden by the config file, overridden by the options."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from matekd_bench.distill.settings import (
    Budget,
    GeneratorSettings,
    Settings,
    StudentSettings,
    TeacherSettings,
    Training,
    check_warm_up,
)
from matekd_bench.errors import PluginError, UsageError, unknown
from matekd_bench.files.reading import read_toml
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.setting_errors import SettingOrigin, as_usage_error

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

PRESETS = resources.files(__package__) / "presets"
BUDGET_KINDS = ("student_updates", "clean_examples", "train_flops")
DEFAULT_PRESET = "mini"
GLUE_PRESET = "minilm"  # the default if a GLUE folder is given
BUDGET_RULE = frozenset({"kind", "limit", "epochs"})  # one of these keys replaces the whole budget below it
# Options that are top-level keys of a config file, under the same name.
OPTIONS = (
    *("methods", "tasks", "glue_dir", "limit_train", "limit_eval", "eval_on"),
    *("seeds", "first_seed", "device", "threads", "jobs", "tune", "keep", "deterministic"),
)


class Resources(Settings):
    """The resources that one run asks of a cluster, besides its CPU threads; no part of any identity."""

    cpus: float = Field(default=1.0, gt=0)
    """CPU cores of a run on a GPU; a run on a CPU asks for as many cores as it has threads."""
    gpus: float = Field(default=1.0, gt=0)
    """Share of a GPU that a run takes, if the study runs on GPUs."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Main memory of a run in GiB; None: not bounded."""


class StudySpec(Settings):
    """All settings of a study: methods, tasks, models, training and how runs are executed."""

    preset: str
    summary: str = ""
    methods: str
    """Methods to compare, in the grammar of ``--methods``."""
    tasks: str
    """Tasks and suites, separated by commas."""
    glue_dir: Path | None = None
    """GLUE folder to read tasks from; None: the Hub."""
    stand_ins: bool = False
    """If true, each GLUE task is replaced by its synthetic stand-in from mini-GLUE."""
    teacher: TeacherSettings
    student: StudentSettings
    generator: GeneratorSettings | None = None
    training: Training
    budget: Budget
    seeds: int = Field(default=1, ge=1, le=1000)
    first_seed: int = Field(default=0, ge=0, le=2**31)
    threads: int | None = Field(default=None, ge=1)
    jobs: str = Field(default="1", exclude=True)
    """Number of runs at a time on this machine, or `auto`; no part of any identity or record."""
    device: str = "auto"
    deterministic: bool = False
    """If true, only kernels run that give the same bits every time; on a GPU others are faster."""
    resources: Resources = Resources()
    limit_train: int | None = Field(default=None, ge=1)
    limit_eval: int | None = Field(default=None, ge=1)
    eval_on: Literal["dev", "holdout"] = "dev"
    tune: int | None = Field(default=None, ge=2, le=256)
    """Tuning trials of every method on a holdout of train; the first keeps the given settings. None: no tuning."""
    keep: Literal["last", "none"] = "last"
    """`last` keeps the student from the end of each run, `none` keeps no student; no part of any identity."""
    sets: dict[str, str] = Field(default_factory=dict)
    """Parameters of methods, by `METHOD.PARAMETER`; ignored for methods that are not in the study."""

    @field_validator("jobs", mode="before")
    @classmethod
    def _check_jobs(cls, jobs: Any) -> str:
        """Accept a number, as in a config file, and the text of an option."""
        text = jobs if isinstance(jobs, str) else json.dumps(jobs, default=str)
        if text != "auto" and not (text.isdecimal() and int(text) >= 1):
            raise ValueError("it should be a number of runs from 1 on, or auto")
        return text

    @field_validator("sets", mode="before")
    @classmethod
    def _flatten_sets(cls, sets: Any) -> Any:
        """Accept a table for each method, and numbers and booleans as values."""
        return dict(_flattened(sets)) if isinstance(sets, Mapping) else sets

    @model_validator(mode="after")
    def _check_warm_up(self) -> StudySpec:
        check_warm_up(self.training.optimizer, self.budget.kind)
        return self


def _flattened(sets: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the text of every value in nested tables."""
    for key, value in sets.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, default=str)


def preset_names(host: Host | None = None) -> list[str]:
    """Return the names of the built-in presets and of those that the plugins of `host` offer."""
    files = (entry.name for entry in PRESETS.iterdir() if entry.name.endswith(".toml"))
    return sorted({*(name.removesuffix(".toml") for name in files), *(host.presets if host else ())})


def preset_table(name: str, host: Host | None = None) -> dict[str, Any]:
    """Return all settings of a preset, including those of the preset that it builds on.

    Raises UsageError for an unknown name and PluginError for a name that is used twice.
    """
    return _preset_table(name, host, ())


def _preset_table(name: str, host: Host | None, above: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings of a preset; `above` are the presets that build on it, to detect a circle."""
    file = PRESETS / f"{name}.toml"
    offered = host.presets.get(name) if host else None
    if name in preset_names() and offered is None:
        return read_toml(file)
    if offered is None:
        raise _unknown_preset(name, host)
    if name in preset_names():
        raise PluginError(f"the preset '{name}' comes with matekd-bench, and {offered.by} gives another.")
    if name in above:
        raise PluginError(f"the preset '{name}' of {offered.by} is made of itself.")
    table = {"summary": offered.record.summary, **offered.record.settings}
    base = table.pop("preset", None)
    return table if base is None else merged(_preset_table(str(base), host, (*above, name)), table)


def _unknown_preset(name: str, host: Host | None) -> Exception:
    """Return the error for a name that no preset has, or that several plugins give to a preset."""
    if host is not None and ("preset", name) in host.conflicts:
        return host.missing_error("preset", name, ())
    return unknown("preset", name, preset_names(host))


def study_spec(request: StudyRequest, host: Host | None = None) -> StudySpec:
    """Merge the settings of the requested study and check them.

    The config file overrides the preset, and options override both. Presets come with the suite or with the plugins
    of `host`. Raises UsageError, one line that names the key, for an unknown preset or key, a value out of bounds, or
    a study without methods or tasks.
    """
    config = read_toml(request.config, UsageError) if request.config else {}
    for key in ("methods", "tasks"):
        if getattr(request, key) is None and key not in config:
            raise UsageError(
                f'no {key} are named: give --{key} LIST, or {key} = "LIST" in a --config file.',
                hint=f"'matekd-bench {key}' lists them.",
            )
    options = _options_as_tables(request)
    config_preset = config.pop("preset", None)
    named = config_preset if request.preset is None else request.preset
    preset = _choose_preset(named, {**config, **options}, preset_names(host))
    table = merged(merged(preset_table(preset, host), config), options)
    try:
        spec = StudySpec.model_validate({**table, "preset": preset})
    except ValidationError as error:
        raise as_usage_error(
            error, StudySpec, SettingOrigin(options, config, request.config, preset)
        ) from None
    if spec.tune is not None and spec.eval_on == "holdout":
        raise UsageError(
            "tuning chooses on the holdout, so results are scored on dev: leave --eval-on holdout out."
        )
    return _with_glue_folder(spec, request)


def _choose_preset(named: object, settings: Mapping[str, Any], names: list[str]) -> str:
    """Return the named preset, else the default for the config file and options in `settings`.

    The default never depends on which plugins are installed.
    """
    if named is None:
        return GLUE_PRESET if "glue_dir" in settings else DEFAULT_PRESET
    if not isinstance(named, str):
        raise UsageError(f"preset = {named!r} is no name: there are {', '.join(names)}.")
    return named


def _with_glue_folder(spec: StudySpec, request: StudyRequest) -> StudySpec:
    """Fill in the machine's GLUE folder if the study reads GLUE and names no folder itself.

    Raises UsageError if a GLUE folder is named for a preset with synthetic data.
    """
    if not spec.stand_ins:
        return spec.model_copy(update={"glue_dir": spec.glue_dir or request.glue_home})
    if spec.glue_dir is not None:
        raise UsageError(
            f"preset '{spec.preset}' makes its own synthetic data and reads no GLUE folder.",
            hint=f"For GLUE itself: --preset {GLUE_PRESET} --glue-dir DIR.",
        )
    return spec


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return `lower` with the values of `upper` laid over it, table by table.

    A budget is one rule: a new kind, limit or number of epochs replaces the whole budget. A new checkpoint drops the
    revision that `lower` pins for its own checkpoint.
    """
    result = dict(lower)
    if "checkpoint" in upper:
        result.pop("revision", None)
    for key, value in upper.items():
        below = result.get(key)
        new_budget = key == "budget" and isinstance(value, Mapping) and BUDGET_RULE & value.keys()
        if isinstance(value, Mapping) and isinstance(below, Mapping) and not new_budget:
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _options_as_tables(request: StudyRequest) -> dict[str, Any]:
    """Return the given options as the tables of a config file."""
    tables: dict[str, Any] = {
        name: getattr(request, name) for name in OPTIONS if getattr(request, name) is not None
    }
    for name in ("teacher", "student", "generator"):
        if (checkpoint := getattr(request, name)) is not None:
            tables[name] = {"checkpoint": checkpoint}
    if request.precision is not None:
        tables["training"] = {"precision": request.precision}
    if request.budget is not None:
        tables["budget"] = _parse_budget(request.budget)
    return tables


def _parse_budget(text: str) -> dict[str, Any]:
    """Parse `KIND=N` from the command line into a budget that is the same for every task."""
    kind, equals, number = text.partition("=")
    try:
        limit = int(float(number))
    except (ValueError, OverflowError):
        limit = 0  # refused below
    if not equals or limit < 1:
        raise UsageError(f"--budget '{text}' is not of the form KIND=N, e.g. student_updates=500.")
    if kind not in BUDGET_KINDS:
        raise unknown("budget", kind, BUDGET_KINDS)
    return {"kind": kind, "limit": limit}
