"""Whether this machine has what a method says it needs; what depends on a study's models is checked before training."""

from __future__ import annotations

from collections.abc import Iterator

from matekd_bench.distill.models.checkpoints import found_locally
from matekd_bench.methods.method import Method
from matekd_bench.plugins.host import Host
from matekd_bench.study.spec.study_spec import preset_names, preset_table
from matekd_bench.tools.doctor.finding import Finding
from matekd_bench.tools.doctor.glue_and_wordnet import GET_WORDNET, wordnet_place
from matekd_bench.tools.doctor.preset_models import checkpoints

TOPIC = "needs"


def needs(method: Method, host: Host) -> Iterator[Finding]:
    """A line for each of the method's needs, in alphabetical order: whether it is met here, and by what."""
    here = {name: table for name in preset_names(host) if _complete(table := preset_table(name, host))}
    for need in sorted(method.needs):
        yield _check(need, here)


def _complete(table: dict[str, object]) -> bool:
    """Whether every checkpoint of a preset is on this machine."""
    return all(found_locally(reference, revision) is not None for reference, revision in checkpoints(table))


def _check(need: str, presets: dict[str, dict[str, object]]) -> Finding:
    if need == "thesaurus":
        place = wordnet_place()
        if place is None:
            return Finding(TOPIC, need, "missing", "no WordNet here: a smaller stand-in is used", GET_WORDNET)
        return Finding(TOPIC, need, "ok", f"WordNet at {place}")
    if need == "generator":
        found = [name for name, table in presets.items() if "generator" in table]
        return _by_preset(need, "a masked language model", found, "name one with --generator MODEL")
    if need in ("one-vocabulary", "mask-token"):
        found = [name for name, table in presets.items() if _cut(table)]
        what = "one vocabulary of student and teacher" if need == "one-vocabulary" else "a mask token"
        return _by_preset(need, what, found, "other checkpoints are checked before training")
    return Finding(TOPIC, need, "problem", "this version does not offer it", "")


def _cut(table: dict[str, object]) -> bool:
    """Whether the student is made of the teacher's layers, and so has its tokenizer."""
    student = table.get("student")
    return isinstance(student, dict) and str(student.get("checkpoint", "")).startswith("layers:")


def _by_preset(need: str, what: str, presets: list[str], otherwise: str) -> Finding:
    if presets:
        noun = "preset" if len(presets) == 1 else "presets"
        return Finding(TOPIC, need, "ok", f"{what}: in the {noun} {', '.join(presets)}; {otherwise}")
    return Finding(TOPIC, need, "missing", f"{what}: no preset on this machine has it", otherwise)
