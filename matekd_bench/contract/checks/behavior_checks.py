"""Checks of behavior: every kind of task and text, an untouched student, memory, cost, and the record."""

from __future__ import annotations

import gc
import json
import pickle
from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from matekd_bench.contract.bench import OPTIMIZER, Bench, Make
from matekd_bench.contract.checks.factory_checks import OPAQUE, reachable
from matekd_bench.contract.registry import CheckFailedError, CheckSkippedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.settings import Training
from matekd_bench.errors import BenchError, one_line
from matekd_bench.foreign_code import foreign_code
from matekd_bench.methods.perturbation import TextPerturbation
from matekd_bench.methods.rows import Row
from matekd_bench.seeds import seed_of
from matekd_bench.study.spec.method_settings import apply_overrides

UPDATES = 200
WARM_UP = 100  # updates after which caches are expected to be full
# New tensors over the other hundred updates. A leak at every update makes a hundred or more.
TENSORS_ALLOWED = 20
FEW_ROWS = (3, 17)  # two rows, to keep 200 updates short


@contract_check("parameters", "parameters survive pickling and JSON")
def parameters(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if they change in the round trip, or do not survive it."""
    fix = "Use plain types that pydantic knows: numbers, text, Literal, lists of them."
    try:
        with foreign_code():
            pickled = pickle.loads(pickle.dumps(subject.params))
            parsed = type(subject.params).model_validate(json.loads(subject.params.model_dump_json()))
    except Exception as error:  # whatever a parameter's own type raises
        raise CheckFailedError(f"{one_line(error).rstrip('.')}.", fix) from error
    if pickled != subject.params or parsed != subject.params:
        raise CheckFailedError("The parameters change in a round trip through pickle or JSON.", fix)


@contract_check("pairs", "the student learns from pairs of texts, and from scores instead of classes")
def pairs(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if pairs or a regression task give no finite gradient."""
    for kind, data in (("pairs", "pairs"), ("regression", "a regression task")):
        update = make(kind).update()
        if not update.finite or not any(bool(grad.any()) for grad in update.grads.values()):
            raise CheckFailedError(
                f"On {data}, the loss or the gradient is not finite, or the gradient is zero.",
                "Use models.divergence and models.gold, which know regression.",
            )


@contract_check("awkward-text", "the method handles empty, long and strange texts")
def awkward_text(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if the method raises on one of them, returns no text, or has a loss that is not finite."""
    bench = make("single", awkward=True)
    if isinstance(bench.method, TextPerturbation):
        _rewrite_each(bench, bench.method)
    for kind in ("single", "pairs"):
        if not make(kind, awkward=True).update().finite:
            raise CheckFailedError(
                "The loss on empty, long or strange texts is not finite.",
                "A row may have no maskable token: do not divide by the number of maskable tokens.",
            )


def _rewrite_each(bench: Bench, method: TextPerturbation[Any]) -> None:
    """Rewrite one text at a time, so that the failure names it."""
    for number, texts in enumerate(bench.session.parts.corpus.texts):
        row = Row(f"row-{number}", texts, 0, lambda purpose, uid=number: seed_of(purpose, uid))  # type: ignore[misc]
        excerpt = f"{texts[0][:30]!r}{'...' * (len(texts[0]) > 30)}"
        fix = "Return the text unchanged if there is nothing to do."
        try:
            with foreign_code():
                versions = method.rewrite(row, 0)
        except Exception as error:  # the method is foreign code: whatever it raises is reported
            raise CheckFailedError(
                f"On the text {excerpt}, the method raises {one_line(error)}.", fix
            ) from error
        if not_texts := [version for version in versions if not isinstance(version, str)]:
            raise CheckFailedError(
                f"On the text {excerpt}, perturb() returns {not_texts[0]!r}, which is not a text.", fix
            )


@contract_check(
    "vocabularies", "a teacher with a different vocabulary works, or the record declares that it does not"
)
def vocabularies(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if the teacher reads the student's ids and the record does not say so."""
    if subject.record.needs & {"one-vocabulary", "generator"}:
        raise CheckSkippedError("the record declares that teacher and student must share a vocabulary")
    if not make("single", reverse=True).update().finite:
        raise CheckFailedError(
            "The loss is not finite.", "Declare needs={'one-vocabulary'}, or yield a view for the teacher."
        )


@contract_check("student", "the student learns from the views that are yielded and from nothing else")
def student(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if the method's own steps leave a gradient in the student, or change it."""
    for phase in make("single").phases:
        bench = make("single")
        before = {name: value.clone() for name, value in bench.student.state_dict().items()}
        update = bench.update(phase)
        if update.touched:
            raise CheckFailedError(
                f"The method's own code leaves a gradient in the student ({update.touched}).",
                "Run its backward inside `with models.frozen_student():`, or use torch.no_grad().",
            )
        changed = [
            name for name, value in bench.student.state_dict().items() if not value.equal(before[name])
        ]
        if phase == "own" and changed:
            raise CheckFailedError(
                f"The student changed in an auxiliary phase ({changed[0]}).",
                "Only the trainer steps the student.",
            )
        if phase == "student" and not update.grads:
            raise CheckFailedError(
                "The student got no gradient.", "Yield a view with a gold or a soft share."
            )


@contract_check("memory", f"memory does not grow over {UPDATES} updates")
def memory(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if every update leaves new objects alive."""
    frozen = gc.get_freeze_count()
    gc.freeze()  # leaves out the objects of the libraries, which are many and not the method's
    try:
        bench = make("single")
        bench.run(FEW_ROWS, range(WARM_UP))
        before = _tensors(), held(bench.method)
        bench.run(FEW_ROWS, range(WARM_UP, UPDATES))
        tensors, objects = _tensors() - before[0], held(bench.method) - before[1]
    finally:
        if not frozen:  # a program that froze its objects itself wants them to stay frozen
            gc.unfreeze()
    fix = "Keep no tensors, views or texts from one update to the next."
    if tensors > TENSORS_ALLOWED:
        raise CheckFailedError(f"{tensors} more tensors are alive after {UPDATES - WARM_UP} updates.", fix)
    # one more object at every update is a leak; fewer may be a cache that is still growing
    if objects >= UPDATES - WARM_UP:
        raise CheckFailedError(
            f"The method holds {objects} more objects after {UPDATES - WARM_UP} updates.", fix
        )


def _tensors() -> int:
    """Count the living tensors made since the freeze."""
    gc.collect()
    # by type(): isinstance() reads `__class__`, which makes lazily imported objects load
    kinds = Counter(map(type, gc.get_objects()))
    return sum(count for kind, count in kinds.items() if issubclass(kind, torch.Tensor))


def held(method: Any) -> int:
    """Count the objects that can be reached from a method, but not through networks, code or the run's context."""
    return sum(1 for _ in reachable(method, lambda value: isinstance(value, (*OPAQUE, nn.Module))))


@contract_check("cost", "every pass through a network is counted")
def cost(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if a pass of teacher, student or the method's module is missing from the cost."""
    for phase in make("single").phases:
        bench = make("single")
        bench.session.meter.clear_passes()  # `_counted` does not see the passes of a warm-up
        passes, flops = _counted(bench, phase)
        booked = bench.session.meter.forwards()
        for name in ("student", "teacher"):
            if passes[name] != booked.get(name, 0):
                raise CheckFailedError(
                    f"The {name} made {passes[name]} passes, but {booked.get(name, 0)} were counted.",
                    f"Call models.{name}_logits(view), never the network.",
                )
        for name in flops:
            if flops[name] and not booked.get(name, 0):
                raise CheckFailedError(
                    f"The module '{name}' computes {flops[name]} FLOPs that the cost does not count.",
                    "Call what context.prepare() returns, and give the module `flops(kind)` and `book(meter, name, "
                    "...)`: see 'What a module costs' in docs/method-modules.md.",
                )


def _counted(bench: Bench, phase: Any) -> tuple[Counter[str], Counter[str]]:
    """Count the passes of the two networks and the FLOPs of the method's modules in one update, from outside."""
    passes, flops = Counter[str](), Counter[str]()
    networks = {"student": bench.student, "teacher": bench.teacher}
    hooks = [
        network.register_forward_hook(lambda *_, name=name: passes.update([name]))
        for name, network in networks.items()
    ]
    for trained in bench.session.context.trained:
        counter = FlopCounterMode(display=False)
        hooks.append(
            # `and None`: torch takes what a pre-hook returns, other than None, for the module's new input
            trained.module.register_forward_pre_hook(lambda *_, counter=counter: counter.__enter__() and None)
        )

        def leave(*_: Any, counter: Any = counter, name: str = trained.name) -> None:
            counter.__exit__(None, None, None)
            flops[name] += int(counter.get_total_flops())

        hooks.append(trained.module.register_forward_hook(leave))
    try:
        bench.update(phase)
    finally:
        for hook in hooks:
            hook.remove()
    return passes, flops


@contract_check("record", "diagnostics, resources, notices and overrides can be recorded")
def record(subject: Subject, make: Make) -> None:
    """Raise CheckFailedError if one of them has the wrong type."""
    bench = make("single")
    bench.update()
    for name, number in bench.method.diagnostics().items():
        if not isinstance(number, float):
            raise CheckFailedError(
                f"The diagnostic '{name}' is {number!r}, not a float.", "Convert it: float(value)."
            )
    for name, value in subject.record.resources(subject.params).items():
        if not isinstance(value, str) or not value:
            raise CheckFailedError(
                f"The resource '{name}' is {value!r}, not a text.", "Name it, with a digest of its content."
            )
    try:
        apply_overrides(Training(optimizer=OPTIMIZER), subject.record, subject.params, "student_updates")
    except BenchError as error:
        raise CheckFailedError(
            str(error), "Name settings as a config file does: training.optimizer.clip."
        ) from error
    if not_texts := [notice for notice in bench.method.notices if not isinstance(notice, str)]:
        raise CheckFailedError(
            f"A notice is {not_texts[0]!r}, not a text.", "Notices are sentences for the user."
        )
