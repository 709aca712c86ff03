"""What a study is, fully said: preset, then config file, then options, merged and checked."""

from __future__ import annotations

import json
import tomllib
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
from matekd_bench.study.spec.request import StudyRequest
from matekd_bench.study.spec.setting_errors import SettingOrigin, as_usage_error

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

PRESETS = resources.files(__package__) / "presets"
BUDGET_KINDS = ("student_updates", "clean_examples", "train_flops")
DEFAULT_PRESET = "mini"
GLUE_PRESET = "minilm"  # where a GLUE folder is named and no preset
RULE = frozenset({"kind", "limit", "epochs"})
# Options that go by their own name into the top of a config's tables.
OPTIONS = (
    *("methods", "tasks", "glue_dir", "limit_train", "limit_eval", "eval_on"),
    *("seeds", "first_seed", "device", "threads", "jobs", "tune", "keep", "deterministic"),
)


class Resources(Settings):
    """What one run asks of a cluster, besides its CPU threads; no part of what a run is."""

    cpus: float = Field(default=1.0, gt=0)
    """Cores of a run on a GPU; on a CPU it asks for as many as it has threads."""
    gpus: float = Field(default=1.0, gt=0)
    """The share of a GPU that a run takes, where the study's device is one."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Main memory of a run in GiB; None: no bound."""


class StudySpec(Settings):
    """Everything about a study: what is compared on which data, and every setting."""

    preset: str
    summary: str = ""
    methods: str
    """In the grammar of ``--methods``."""
    tasks: str
    """Tasks and suites, separated by commas."""
    glue_dir: Path | None = None
    """The GLUE folder to read tasks from; None: the Hub."""
    stand_ins: bool = False
    """Whether each GLUE task that is named is replaced by its synthetic stand-in of mini-GLUE."""
    teacher: TeacherSettings
    student: StudentSettings
    generator: GeneratorSettings | None = None
    training: Training
    budget: Budget
    seeds: int = Field(default=1, ge=1, le=1000)
    first_seed: int = Field(default=0, ge=0, le=2**31)
    threads: int | None = Field(default=None, ge=1)
    jobs: str = Field(default="1", exclude=True)
    """Runs at a time on this machine, or `auto`; no part of any identity or record."""
    device: str = "auto"
    deterministic: bool = False
    """Whether only kernels are used that give the same bits every time; on a GPU others are faster."""
    resources: Resources = Resources()
    limit_train: int | None = Field(default=None, ge=1)
    limit_eval: int | None = Field(default=None, ge=1)
    eval_on: Literal["dev", "holdout"] = "dev"
    tune: int | None = Field(default=None, ge=2, le=256)
    """Trials of every method on a holdout of train, the settings as they are being the first; None: no tuning."""
    keep: Literal["last", "none"] = "last"
    """Whether the student is kept as it is at the end of a run; no part of any identity."""
    sets: dict[str, str] = Field(default_factory=dict)
    """Parameters of methods, as `METHOD.PARAMETER`; they hold where the method is in the study."""

    @field_validator("jobs", mode="before")
    @classmethod
    def _countable(cls, jobs: Any) -> str:
        """A number in a config file is taken as well as the text of an option."""
        text = jobs if isinstance(jobs, str) else json.dumps(jobs, default=str)
        if text != "auto" and not (text.isdecimal() and int(text) >= 1):
            raise ValueError("it should be a number of runs from 1 on, or auto")
        return text

    @field_validator("sets", mode="before")
    @classmethod
    def _flat(cls, sets: Any) -> Any:
        """A table for each method is taken too, and so are numbers and booleans."""
        return dict(_flattened(sets)) if isinstance(sets, Mapping) else sets

    @model_validator(mode="after")
    def _known_warm_up(self) -> StudySpec:
        check_warm_up(self.training.optimizer, self.budget.kind)
        return self


def _flattened(sets: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in sets.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, default=str)


def preset_names(host: Host | None = None) -> list[str]:
    """The presets that come with the suite, and those of a host's plugins."""
    own = (entry.name for entry in PRESETS.iterdir() if entry.name.endswith(".toml"))
    return sorted({*(name.removesuffix(".toml") for name in own), *(host.presets if host else ())})


def preset_table(name: str, host: Host | None = None) -> dict[str, Any]:
    """The settings of a preset, those of the preset that it changes among them.

    Raises UsageError for an unknown name, PluginError for one that is claimed twice.
    """
    return _preset_table(name, host, ())


def _preset_table(name: str, host: Host | None, above: tuple[str, ...]) -> dict[str, Any]:
    file = PRESETS / f"{name}.toml"
    offered = host.presets.get(name) if host else None
    if name in preset_names() and offered is None:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    if offered is None:
        raise _no_preset(name, host)
    if name in preset_names():
        raise PluginError(f"the preset '{name}' comes with matekd-bench, and {offered.by} gives another.")
    if name in above:
        raise PluginError(f"the preset '{name}' of {offered.by} is made of itself.")
    table = {"summary": offered.record.summary, **offered.record.settings}
    base = table.pop("preset", None)
    return table if base is None else merged(_preset_table(str(base), host, (*above, name)), table)


def _no_preset(name: str, host: Host | None) -> Exception:
    if host is not None and ("preset", name) in host.conflicts:
        return host.absent("preset", name, ())
    return unknown("preset", name, preset_names(host))


def study_spec(request: StudyRequest, host: Host | None = None) -> StudySpec:
    """The settings of the requested study: preset < config file < options; `host` has the plugins' presets.

    Raises UsageError, one line naming the key, for an unknown preset or key, a value out of bounds, or a study
    without methods or tasks.
    """
    config = _config(request.config)
    for wanted in ("methods", "tasks"):
        if getattr(request, wanted) is None and wanted not in config:
            raise UsageError(
                f'no {wanted} are named: give --{wanted} LIST, or {wanted} = "LIST" in a --config file.',
                hint=f"'matekd-bench {wanted}' lists them.",
            )
    options = _options(request)
    in_file = config.pop("preset", None)
    named = in_file if request.preset is None else request.preset
    name = _preset(named, {**config, **options}, preset_names(host))
    table = merged(merged(preset_table(name, host), config), options)
    try:
        spec = StudySpec.model_validate({**table, "preset": name})
    except ValidationError as error:
        raise as_usage_error(error, StudySpec, SettingOrigin(options, config, request.config, name)) from None
    if spec.tune is not None and spec.eval_on == "holdout":
        raise UsageError(
            "tuning chooses on the holdout, so results are scored on dev: leave --eval-on holdout out."
        )
    return _with_data(spec, request)


def _preset(named: object, typed: Mapping[str, Any], names: list[str]) -> str:
    """The preset that was named, else the one that what was typed asks for; never what happens to be installed."""
    if named is None:
        return GLUE_PRESET if "glue_dir" in typed else DEFAULT_PRESET
    if not isinstance(named, str):
        raise UsageError(f"preset = {named!r} is no name: there are {', '.join(names)}.")
    return named


def _with_data(spec: StudySpec, request: StudyRequest) -> StudySpec:
    """The spec with the machine's GLUE folder where it reads GLUE; UsageError for a folder it could not use."""
    if not spec.stand_ins:
        return spec.model_copy(update={"glue_dir": spec.glue_dir or request.glue_home})
    if spec.glue_dir is not None:
        raise UsageError(
            f"preset '{spec.preset}' makes its own synthetic data and reads no GLUE folder.",
            hint=f"For GLUE itself: --preset {GLUE_PRESET} --glue-dir DIR.",
        )
    return spec


def _config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the config file '{path}' can't be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the config file '{path}' is not TOML: {error}.") from None


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """`lower` with the values of `upper` over it, table by table.

    A budget is one rule: a new kind, limit or number of epochs replaces all of it. Another checkpoint loses the
    revision that was pinned for the one below it.
    """
    result = dict(lower)
    if "checkpoint" in upper:
        result.pop("revision", None)
    for key, value in upper.items():
        below = result.get(key)
        another_rule = key == "budget" and isinstance(value, Mapping) and RULE & value.keys()
        if isinstance(value, Mapping) and isinstance(below, Mapping) and not another_rule:
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _options(request: StudyRequest) -> dict[str, Any]:
    """The options that were given, as the tables of a config file."""
    tables: dict[str, Any] = {
        name: getattr(request, name) for name in OPTIONS if getattr(request, name) is not None
    }
    for name in ("teacher", "student", "generator"):
        if (checkpoint := getattr(request, name)) is not None:
            tables[name] = {"checkpoint": checkpoint}
    if request.precision is not None:
        tables["training"] = {"precision": request.precision}
    if request.budget is not None:
        tables["budget"] = _budget(request.budget)
    return tables


def _budget(text: str) -> dict[str, Any]:
    """The budget that `KIND=N` on the command line says, the same for every task."""
    kind, equals, number = text.partition("=")
    try:
        limit = int(float(number))
    except (ValueError, OverflowError):
        limit = 0
    if not equals or limit < 1:
        raise UsageError(f"--budget '{text}' is not of the form KIND=N, e.g. student_updates=500.")
    if kind not in BUDGET_KINDS:
        raise unknown("budget", kind, BUDGET_KINDS)
    return {"kind": kind, "limit": limit}
