"""Promises about conduct: every kind of task and text, the student left alone, memory, cost, and what is recorded."""

from __future__ import annotations

import gc
import json
import pickle
from collections import Counter
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from matekd_bench.contract.bench import OPTIMISER, Bench, Make
from matekd_bench.contract.checks import CheckFailedError, CheckSkippedError, contract_check
from matekd_bench.contract.subject import Subject
from matekd_bench.distill.settings import Training
from matekd_bench.distill.training.run_context import RunContext
from matekd_bench.errors import BenchError
from matekd_bench.methods.perturbation import TextPerturbation
from matekd_bench.methods.rows import Row
from matekd_bench.seeds import seed_of
from matekd_bench.study.spec.method_settings import overridden

STEPS = 200
WARM = 100  # steps after which caches are expected to be full
FEWER = 20  # tensors that may be new after the last hundred steps: fewer than one in five steps
OPAQUE = (RunContext, nn.Module, ModuleType, FunctionType, type)
FEW = (3, 17)


@contract_check("parameters", "parameters survive pickling and JSON")
def parameters(subject: Subject, make: Make) -> None:
    """Raises BrokenError where they come back changed or not at all."""
    mend = "Use plain types that pydantic knows: numbers, text, Literal, lists of them."
    try:
        pickled = pickle.loads(pickle.dumps(subject.params))
        written = type(subject.params).model_validate(json.loads(subject.params.model_dump_json()))
    except Exception as error:  # whatever a parameter's own type raises
        raise CheckFailedError(f"{type(error).__name__}: {error}".rstrip(".") + ".", mend) from error
    if pickled != subject.params or written != subject.params:
        raise CheckFailedError("They come back changed.", mend)


@contract_check("pairs", "pairs of texts and scores instead of classes are learnt from")
def pairs(subject: Subject, make: Make) -> None:
    """Raises BrokenError where a pair or a regression task gives no finite gradient."""
    for kind, what in (("pairs", "pairs"), ("regression", "a regression task")):
        done = make(kind).update()
        if not done.finite or not any(bool(grad.any()) for grad in done.grads.values()):
            raise CheckFailedError(
                f"On {what} loss and gradient are not finite or zero.",
                "Use models.divergence and models.gold, which know regression.",
            )


@contract_check("awkward-text", "empty, long and strange texts are dealt with")
def awkward_text(subject: Subject, make: Make) -> None:
    """Raises BrokenError where one of them gives no text, or no finite loss."""
    bench = make("single", awkward=True)
    if isinstance(bench.method, TextPerturbation):
        _strange(bench, bench.method)
    for kind in ("single", "pairs"):
        if not make(kind, awkward=True).update().finite:
            raise CheckFailedError(
                "The loss on empty, long or strange texts is not finite.",
                "A row may have no token that may be changed: guard divisions by their number.",
            )


def _strange(bench: Bench, method: TextPerturbation[Any]) -> None:
    """Asks for each text on its own, so that the failure names it."""
    for number, texts in enumerate(bench.shop.parts.corpus.texts):
        row = Row(f"row-{number}", texts, 0, lambda purpose, uid=number: seed_of(purpose, uid))  # type: ignore[misc]
        shown = f"{texts[0][:30]!r}{'...' * (len(texts[0]) > 30)}"
        mend = "Return the text as it is where there is nothing to do."
        try:
            written = method.rewrite(row, 0)
        except Exception as error:  # the method is foreign code: what it raises is the finding
            raise CheckFailedError(
                f"On the text {shown} it raises {type(error).__name__}: {error}.", mend
            ) from error
        if wrong := [one for one in written if not isinstance(one, str)]:
            raise CheckFailedError(
                f"For the text {shown} perturb() gives {wrong[0]!r}, which is no text.", mend
            )


@contract_check("vocabularies", "a teacher with another vocabulary works, or is declared not to")
def vocabularies(subject: Subject, make: Make) -> None:
    """Raises BrokenError where the teacher is shown the student's ids and the record does not say so."""
    if subject.record.needs & {"one-vocabulary", "generator"}:
        raise CheckSkippedError("the record says that it needs one vocabulary")
    if not make("single", reverse=True).update().finite:
        raise CheckFailedError(
            "The loss is not finite.", "Declare needs={'one-vocabulary'}, or yield a view for the teacher."
        )


@contract_check("student", "the student learns from what is yielded and from nothing else")
def student(subject: Subject, make: Make) -> None:
    """Raises BrokenError where the method's own steps leave a gradient in the student, or change it."""
    for phase in make("single").phases:
        bench = make("single")
        before = {name: value.clone() for name, value in bench.student.state_dict().items()}
        done = bench.update(phase)
        if done.touched:
            raise CheckFailedError(
                f"The method's own code leaves a gradient in the student ({done.touched}).",
                "Put its backward into `with models.frozen_student():`, or use torch.no_grad().",
            )
        changed = [
            name for name, value in bench.student.state_dict().items() if not value.equal(before[name])
        ]
        if phase == "own" and changed:
            raise CheckFailedError(
                f"The student changed in an own phase ({changed[0]}).", "Only the trainer steps the student."
            )
        if phase == "student" and not done.grads:
            raise CheckFailedError(
                "The student got no gradient.", "Yield a view with a gold or a soft share."
            )


@contract_check("memory", f"memory does not grow over {STEPS} updates")
def memory(subject: Subject, make: Make) -> None:
    """Raises BrokenError where something new stays alive at every update."""
    frozen = gc.get_freeze_count()
    gc.freeze()  # what the libraries have made need not be looked at
    try:
        bench = make("single")
        bench.run(FEW, range(WARM))
        before = _tensors(), held(bench.method)
        bench.run(FEW, range(WARM, STEPS))
        tensors, objects = _tensors() - before[0], held(bench.method) - before[1]
    finally:
        if not frozen:
            gc.unfreeze()
    mend = "Keep no tensors, views or texts from one update to the next."
    if tensors > FEWER:
        raise CheckFailedError(f"{tensors} more tensors are alive after {STEPS - WARM} updates.", mend)
    if objects >= STEPS - WARM:
        raise CheckFailedError(f"The method holds {objects} more objects after {STEPS - WARM} updates.", mend)


def _tensors() -> int:
    """How many tensors are alive, of those made since the freeze."""
    gc.collect()
    kinds = Counter(map(type, gc.get_objects()))  # isinstance would ask lazy ones
    return sum(count for kind, count in kinds.items() if issubclass(kind, torch.Tensor))


def held(method: Any) -> int:
    """How many objects can be reached from a method, through neither networks, code nor the run's context."""
    seen: set[int] = set()
    waiting = [value for value in vars(method).values() if not isinstance(value, OPAQUE)]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            waiting += [other for other in gc.get_referents(one) if not isinstance(other, OPAQUE)]
    return len(seen)


@contract_check("cost", "every pass through a network is counted")
def cost(subject: Subject, make: Make) -> None:
    """Raises BrokenError where teacher, student or a module of the method's own work without being booked."""
    for phase in make("single").phases:
        bench = make("single")
        passes, flops = _counted(bench, phase)
        booked = bench.shop.meter.forwards()
        for name in ("student", "teacher"):
            if passes[name] != booked.get(name, 0):
                raise CheckFailedError(
                    f"{passes[name]} passes of the {name}, {booked.get(name, 0)} of them counted.",
                    f"Call models.{name}_logits(view), never the network.",
                )
        for name in flops:
            if flops[name] and not booked.get(name, 0):
                raise CheckFailedError(
                    f"The module '{name}' computes ({flops[name]} FLOPs) and nobody counts it.",
                    "Call what context.prepare() returns, and give the module `flops(kind)` and `book(meter, name, "
                    "...)`: see 'What a module costs' in docs/write-a-method.md.",
                )


def _counted(bench: Bench, phase: Any) -> tuple[Counter[str], Counter[str]]:
    """Passes of the two networks and FLOPs of the method's modules in one update, counted from outside."""
    passes, flops = Counter[str](), Counter[str]()
    networks = {"student": bench.student, "teacher": bench.shop.parts.teacher}
    hooks = [
        network.register_forward_hook(lambda *_, name=name: passes.update([name]))
        for name, network in networks.items()
    ]
    for trained in bench.shop.context.trained:
        counter = FlopCounterMode(display=False)
        hooks.append(
            trained.module.register_forward_pre_hook(lambda *_, one=counter: one.__enter__() and None)
        )

        def leave(*_: Any, one: Any = counter, name: str = trained.name) -> None:
            one.__exit__(None, None, None)
            flops[name] += int(one.get_total_flops())

        hooks.append(trained.module.register_forward_hook(leave))
    try:
        bench.update(phase)
    finally:
        for hook in hooks:
            hook.remove()
    return passes, flops


@contract_check(
    "record", "what it says of itself can be recorded: diagnostics, resources, notices, overrides"
)
def record(subject: Subject, make: Make) -> None:
    """Raises BrokenError where one of them has the wrong type."""
    bench = make("single")
    bench.update()
    for name, number in bench.method.diagnostics().items():
        if not isinstance(number, float):
            raise CheckFailedError(
                f"The diagnostic '{name}' is {number!r}, no float.", "Convert it: float(value)."
            )
    for name, value in subject.record.resources(subject.params).items():
        if not isinstance(value, str) or not value:
            raise CheckFailedError(
                f"The resource '{name}' is {value!r}, no text.", "Name it, with a digest of its content."
            )
    try:
        overridden(Training(optimiser=OPTIMISER), subject.record, subject.params, "student_updates")
    except BenchError as error:
        raise CheckFailedError(
            str(error), "Name settings as a config file does: training.optimiser.clip."
        ) from error
    if wrong := [one for one in bench.method.notices if not isinstance(one, str)]:
        raise CheckFailedError(f"A notice is {wrong[0]!r}, no text.", "Notices are sentences for the user.")
