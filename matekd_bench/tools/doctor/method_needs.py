"""Checks of a method's needs on this machine; needs that depend on a study's models are checked with the study."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench.distill.models.checkpoints import find_local_folder
from matekd_bench.methods.method import Method
from matekd_bench.plugins.host import Host
from matekd_bench.study.spec.presets import usable_presets
from matekd_bench.tools.doctor.finding import Finding
from matekd_bench.tools.doctor.glue_and_wordnet import GET_WORDNET, find_wordnet
from matekd_bench.tools.doctor.preset_models import checkpoints

TOPIC = "needs"


def needs(method: Method, host: Host) -> Iterator[Finding]:
    """Check each of the method's needs, in alphabetical order: whether this machine meets it, and how."""
    presets = {name: table for name, table in usable_presets(host).items() if _all_on_machine(table)}
    for need in sorted(method.needs):
        yield _check_need(need, presets)


def _all_on_machine(table: dict[str, object]) -> bool:
    """Return True if every checkpoint of a preset is on this machine."""
    return all(
        find_local_folder(reference, revision) is not None for reference, revision in checkpoints(table)
    )


def _check_need(need: str, presets: dict[str, dict[str, object]]) -> Finding:
    """Check one need; `presets` are those whose checkpoints are on this machine."""
    if need == "thesaurus":
        path = find_wordnet()
        if path is None:
            return Finding(TOPIC, need, "missing", "no WordNet here: a smaller stand-in is used", GET_WORDNET)
        return Finding(TOPIC, need, "ok", f"WordNet at {path}")
    if need == "generator":
        names = [name for name, table in presets.items() if "generator" in table]
        return _by_preset(need, "a masked language model", names, "name one with --generator MODEL")
    if need in ("one-vocabulary", "mask-token"):
        names = [name for name, table in presets.items() if _student_from_teacher(table)]
        resource = "one vocabulary of student and teacher" if need == "one-vocabulary" else "a mask token"
        return _by_preset(need, resource, names, "other checkpoints are checked before training")
    return Finding(TOPIC, need, "problem", "this version does not offer it", "")


def _student_from_teacher(table: dict[str, object]) -> bool:
    """Return True if the student is made of the teacher's layers, and so has its tokenizer."""
    student = table.get("student")
    return isinstance(student, dict) and str(student.get("checkpoint", "")).startswith("layers:")


def _by_preset(need: str, resource: str, presets: list[str], otherwise: str) -> Finding:
    """Return a finding that names the presets which meet the need, if any."""
    if presets:
        noun = "preset" if len(presets) == 1 else "presets"
        return Finding(TOPIC, need, "ok", f"{resource}: in the {noun} {', '.join(presets)}; {otherwise}")
    return Finding(TOPIC, need, "missing", f"{resource}: no preset on this machine has it", otherwise)
