"""The request of a study, made from a preset, a config file and options, and checked before anything is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from matekd_bench.distill.settings import Budget, Settings
from matekd_bench.errors import UsageError, unknown
from matekd_bench.files.reading import read_toml
from matekd_bench.methods.grammar import parse, parse_reference
from matekd_bench.methods.params import check_sets, names_in
from matekd_bench.plugins.known_names import tasks_and_suites
from matekd_bench.study.spec.layers import expanded, merged
from matekd_bench.study.spec.presets import preset_names, preset_table
from matekd_bench.study.spec.record_names import with_known_names
from matekd_bench.study.spec.setting_errors import SettingOrigin, as_usage_error
from matekd_bench.study.spec.study_spec import Execution, StudySpec, flattened
from matekd_bench.tasks.task import stand_ins_of

if TYPE_CHECKING:
    from matekd_bench.plugins.host import Host

DEFAULT_PRESET = "mini"
GLUE_PRESET = "minilm"  # the default if a GLUE folder is given
Model = TypeVar("Model", bound=Settings)


@dataclass(frozen=True)
class StudyRequest:
    """The request of a study: what it compares, how it is executed, and the command line, for the records.

    `given` are the names of the settings at the top level that the config file or the options give, not the preset.
    """

    spec: StudySpec
    execution: Execution = field(default_factory=Execution)
    command: str = ""
    given: frozenset[str] = frozenset()


def setting_names() -> frozenset[str]:
    """Return every name that `make_request` accepts at the top level."""
    return frozenset(
        {*StudySpec.model_fields, *Execution.model_fields, "config", "precision", "seed"} - {"set_by_user"}
    )


def make_request(
    options: Mapping[str, Any],
    host: Host,
    *,
    defaults: Mapping[str, Any] | None = None,
    glue_home: Path | None = None,
    command: str = "",
    from_python: bool = False,
) -> StudyRequest:
    """Merge all settings of a study and check them.

    The keys of `options` are those of a config file, and `config`, the path of one; None counts as not given. The
    config file overrides the preset, and options override both. `defaults` are settings that hold if none of them has
    another value. `glue_home` is this machine's GLUE folder; it is used only if the study reads GLUE and names no
    folder. With `from_python`, errors name keyword arguments.

    Raises UsageError, one line that names the key, for an unknown preset or key, a value out of bounds, a parameter of
    a method that is not in the study, or a study without methods or tasks.
    """
    layer = with_known_names(expanded(options), host)
    file = layer.pop("config", None)
    config = with_known_names(expanded(read_toml(Path(file), UsageError)), host) if file else {}
    for key in ("methods", "tasks"):
        if key not in {*layer, *config, *(defaults or ())}:
            raise UsageError(
                f'no {key} given: use --{key} LIST, or {key} = "LIST" in a --config file.',
                hint=f"'matekd-bench {key}' lists them.",
            )
    named = layer.pop("preset", None) or config.pop("preset", None)
    config.pop("preset", None)
    preset = _choose_preset(named, {**config, **layer}, preset_names(host))
    base = {**(defaults or {}), **with_known_names(preset_table(preset, host), host)}
    table = {**merged(merged(base, config), layer), "preset": preset}
    if "set_by_user" in table:  # computed below; users cannot set it
        raise unknown("setting", "set_by_user", setting_names())
    preset_sets, config_sets, option_sets = (
        flattened(part["sets"]) if isinstance(part.get("sets"), Mapping) else {}
        for part in (base, config, layer)
    )
    written = {
        key for key, value in config_sets.items() if preset_sets.get(key) != value
    } | option_sets.keys()
    table["set_by_user"] = tuple(sorted(written))
    origin = SettingOrigin(layer, config, file, base, preset, from_python=from_python)
    execution = {key: table.pop(key) for key in Execution.model_fields if key in table}
    spec = _with_known_limits(_checked(StudySpec, table, origin, also=Execution.model_fields), host)
    request = StudyRequest(
        _with_glue_folder(spec, glue_home),
        _checked(Execution, execution, origin),
        command,
        frozenset({*config, *layer}),
    )
    _check_tuning(spec)
    _check_teacher_answers(spec, (config, layer))
    _check_sets(spec, option_sets, {key for key in config_sets if key not in preset_sets}, host)
    return request


def _checked(
    model: type[Model], table: Mapping[str, Any], origin: SettingOrigin, also: Collection[str] = ()
) -> Model:
    """Validate a table; `also` are further names that are allowed at its top level."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise as_usage_error(error, model, origin, also) from None


def _with_known_limits(spec: StudySpec, host: Host) -> StudySpec:
    """Return the spec with the limits of stand-ins for those of the tasks that they replace.

    Raises UsageError for a limit of a task that does not exist.
    """
    known, _ = tasks_and_suites(host)
    replacements = stand_ins_of(known.values()) if spec.stand_ins else {}

    def checked(budget: Budget, table: str) -> Budget:
        if wrong := [name for name in budget.tasks if name not in known]:
            raise unknown(f"task in [{table}] tasks", wrong[0], known)
        limits = {replacements.get(name, name): limit for name, limit in budget.tasks.items()}
        limits |= {name: limit for name, limit in budget.tasks.items() if name in limits}  # a stand-in's own
        return budget.model_copy(update={"tasks": limits})

    parts: dict[str, Any] = {"budget": checked(spec.budget, "budget")}
    for name in ("teacher", "generator"):
        if (part := getattr(spec, name)) is not None:
            parts[name] = part.model_copy(update={"budget": checked(part.budget, f"{name}.budget")})
    return spec.model_copy(update=parts)


def _check_tuning(spec: StudySpec) -> None:
    """Raise UsageError for a tuned study that would be scored on the rows that choose its settings."""
    if spec.tune is not None and spec.eval_on == "holdout":
        raise UsageError(
            "--tune chooses settings on the holdout, so results are scored on dev: leave out --eval-on holdout."
        )


def _check_teacher_answers(spec: StudySpec, layers: Sequence[Mapping[str, Any]]) -> None:
    """Raise UsageError for a study with answers from a file that also relies on a teacher's checkpoint."""
    if spec.teacher_answers is None:
        return
    if spec.student.start == "teacher":
        raise UsageError(
            f"--teacher-answers '{spec.teacher_answers}': a student cannot start from a teacher without a checkpoint.",
            hint='Name another student with --student, or set start = "checkpoint" under [student] in a config file.',
        )
    two = any("teacher_answers" in layer and "checkpoint" in layer.get("teacher", ()) for layer in layers)
    if two and not spec.student.checkpoint.startswith("layers:"):
        raise UsageError(
            f"--teacher-answers '{spec.teacher_answers}' and --teacher '{spec.teacher.checkpoint}': a study has one "
            "teacher, so remove one of them."
        )


def _check_sets(
    spec: StudySpec, option_sets: Mapping[str, str], config_keys: Collection[str], host: Host
) -> None:
    """Check that parameters belong to methods that exist and, if options set them, to methods of the study.

    A preset may name unknown methods, because it is also used where a plugin is not installed.
    """
    for key in (*config_keys, *option_sets):
        if not key.rpartition(".")[0]:
            raise UsageError(f"setting 'sets.{key}' must have the form METHOD.PARAMETER, e.g. 'eda.alpha'.")
    for key in config_keys:
        host.method(key.rpartition(".")[0])
    check_sets(option_sets, listed_methods(spec), lambda name: host.method(name).record)


def listed_methods(spec: StudySpec) -> frozenset[str]:
    """Return the names of all methods in the study, including wrapped ones and the reference."""
    refs = (*parse_reference(spec.reference), *parse(spec.methods))
    return frozenset(name for ref in refs for name in names_in(ref))


def _choose_preset(named: object, settings: Mapping[str, Any], names: list[str]) -> str:
    """Return the named preset, else the default for the config file and options in `settings`.

    The default never depends on which plugins are installed.
    """
    if named is None:
        return GLUE_PRESET if "glue_dir" in settings else DEFAULT_PRESET
    if not isinstance(named, str):
        raise UsageError(f"preset = {named!r} is not the name of a preset; available: {', '.join(names)}.")
    return named


def _with_glue_folder(spec: StudySpec, glue_home: Path | None) -> StudySpec:
    """Fill in the machine's GLUE folder if the study reads GLUE and names no folder.

    Raises UsageError if a GLUE folder is named for a preset with synthetic data.
    """
    if not spec.stand_ins:
        return spec.model_copy(update={"glue_dir": spec.glue_dir or glue_home})
    if spec.glue_dir is not None:
        raise UsageError(
            f"preset '{spec.preset}' makes its own synthetic data and does not read a GLUE folder.",
            hint=f"For GLUE itself: --preset {GLUE_PRESET} --glue-dir DIR.",
        )
    return spec
