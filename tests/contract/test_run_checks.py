"""The contract finds faults: each method here has one fault and fails the check for it."""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import replace

import pytest
import torch
from pydantic import ConfigDict

from matekd_bench import (
    Cycle,
    Joint,
    Method,
    NoParams,
    Params,
    Perturbation,
    PluginError,
    TextPerturbation,
    TokenPerturbation,
    UsageError,
    WrapperParams,
)
from matekd_bench.contract.behavior_checks import held
from matekd_bench.methods.perturbation import method_of
from matekd_bench.testing import check, contract_tests, names, only, subject_of

NEEDS = frozenset({"one-vocabulary", "mask-token"})


def method(factory, level="text", params=NoParams, needs=frozenset()):
    """Make a record around a class."""
    return Method(
        name="tested", summary="", factory=factory, level=level, version="1", params=params, needs=needs
    )


def failed(record, *wanted):
    """Return the results of the checks that a method fails, by name; of those wanted, or of all but the slow ones."""
    wanted = wanted or [name for name in names() if name not in ("memory", "mini-glue")]
    return {result.check: result for result in check(subject_of(record), wanted) if result.state == "failed"}


class Careful(TextPerturbation[NoParams]):
    """Passes every check."""

    def perturb(self, text, rng):
        words = text.split()
        rng.shuffle(words)
        return " ".join(words)


class GlobalNoise(TextPerturbation[NoParams]):
    """Draws from Python's global generator."""

    def perturb(self, text, rng):
        return " ".join(word for word in text.split() if random.random() < 0.5)


class TorchNoise(TokenPerturbation[NoParams]):
    """Draws from torch's global generator."""

    def perturb(self, batch, maskable):
        at = (torch.rand(batch.ids.shape) < 0.5) & maskable
        return batch.ids.masked_fill(at, self.context.student_tokens.mask)


class TorchSeeding(TokenPerturbation[NoParams]):
    """Seeds torch's global generator."""

    def perturb(self, batch, maskable):
        torch.manual_seed(1)
        return batch.ids.masked_fill(maskable, self.context.student_tokens.mask)


class Counting(TextPerturbation[NoParams]):
    """Rewrites a text depending on how many came before."""

    def __init__(self, params, context):
        super().__init__(params, context)
        self.numbers = itertools.count()

    def perturb(self, text, rng):
        return f"{'big ' * (next(self.numbers) % 3)}{text}"


class FirstWord(TextPerturbation[NoParams]):
    """Assumes that there is a word."""

    def perturb(self, text, rng):
        return text.split()[0]


class Everywhere(TokenPerturbation[NoParams]):
    """Masks special tokens too."""

    def perturb(self, batch, maskable):
        at = (self.context.draw(batch, "everywhere") < 0.5) & (batch.mask == 1)
        return batch.ids.masked_fill(at, self.context.student_tokens.mask)


class AfterTheEnd(TokenPerturbation[NoParams]):
    """Writes into the padding."""

    def perturb(self, batch, maskable):
        return batch.ids.masked_fill(batch.mask == 0, self.context.student_tokens.mask)


class Leaking(Perturbation[NoParams]):
    """Runs a backward of its own through the student."""

    def views(self, batch, models):
        yield batch.clean
        (models.student_logits(batch.clean, train=False).square().sum() / batch.total).backward()


class Hoarding(Perturbation[NoParams]):
    """Keeps the logits of every update."""

    def __init__(self, params, context):
        super().__init__(params, context)
        self.seen = []

    def views(self, batch, models):
        self.seen.append((yield batch.clean))


class Remembering(Careful):
    """Keeps every text: no tensor among them."""

    def __init__(self, params, context):
        super().__init__(params, context)
        self.texts = []

    def perturb(self, text, rng):
        self.texts.append(super().perturb(text, rng))
        return self.texts[-1]


class Uncounted(Perturbation[NoParams]):
    """Runs the student without counting the pass."""

    def views(self, batch, models):
        import torch

        with torch.no_grad():
            models.student.eval()(input_ids=batch.ids, attention_mask=batch.mask)
        yield batch.clean


class Greedy(Perturbation[NoParams]):
    """Spends the soft weight twice."""

    def views(self, batch, models):
        yield batch.clean
        yield batch.clean.weighted(gold=0.0, soft=1.0)


class WrongLabels(Perturbation[NoParams]):
    """Swaps the gold labels."""

    def views(self, batch, models):
        yield replace(batch.clean, labels=1 - batch.labels)


class BatchMean(Perturbation[NoParams]):
    """Adds a term that depends on which rows come in one piece."""

    def views(self, batch, models):
        yield Joint((batch.clean,), term=lambda logits: (logits - logits.mean(dim=0)).square().sum(dim=1))


class TooShort(Perturbation[NoParams]):
    """Yields a mask that is one position short."""

    def views(self, batch, models):
        yield replace(batch.clean, mask=batch.mask[:, :-1])


class OwnModule(Perturbation[NoParams]):
    """Trains a module whose cost is not counted."""

    cycle = Cycle(auxiliary=1, student=2)

    def __init__(self, params, context):
        super().__init__(params, context)
        import torch

        self.net = context.prepare(torch.nn.Linear(2, 1).double(), torch.optim.Adam, name="critic")

    def views(self, batch, models):
        if batch.phase == "own":
            self.net.learn(self.net(models.clean_logits(batch)).squeeze(-1))
            return
        yield batch.clean


class Unwritten:
    """A value that neither pickles nor is known to JSON."""

    def __reduce__(self):
        raise TypeError("no pickling")


class Fickle(Params):
    """Parameters that cannot be pickled."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    rule: object = Unwritten()


def test_a_careful_method_passes_every_check():
    results = check(subject_of(method(Careful)))
    assert [result.check for result in results] == list(names())
    assert [str(result) for result in results if result.state != "passed"] == []


@pytest.mark.parametrize(
    ("factory", "level", "checks", "why"),
    [
        (GlobalNoise, "text", {"random-state", "rows"}, "changes with the global random state"),
        (TorchNoise, "token", {"random-state", "pieces"}, r"torch\.rand was called without a generator"),
        (TorchSeeding, "token", {"random-state"}, r"torch\.manual_seed was called in .*test_run_checks"),
        (Counting, "text", {"rows"}, "Keep no state between calls"),
        (FirstWord, "text", {"awkward-text"}, "On the text '' it raises IndexError"),
        (Everywhere, "token", {"special-tokens"}, r"A special token \(\[CLS\], \[SEP\]\) was replaced"),
        (Leaking, "none", {"student"}, "the method's own code leaves a gradient in the student"),
        (Uncounted, "none", {"cost"}, "2 passes of the student, 1 of them counted"),
        (Greedy, "none", {"weights"}, "gold=1 and soft=2"),
        (WrongLabels, "none", {"labels"}, "not batch.labels"),
        (BatchMean, "none", {"pieces"}, "In pieces of 5 rows"),
        (OwnModule, "none", {"cost"}, "The module 'critic' computes"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_faulty_method_fails_the_check_for_its_fault(factory, level, checks, why):
    results = failed(method(factory, level, needs=NEEDS if level == "token" else frozenset()))
    text = " ".join(str(result) for result in results.values())
    assert set(results) == checks, text
    assert re.search(why, text, re.IGNORECASE)
    assert all(result.fix and result.expected in str(result) for result in results.values())


def test_padding_that_is_written_into_is_found():
    assert set(failed(method(AfterTheEnd, "token", needs=NEEDS), "special-tokens", "padding")) == {"padding"}


def test_a_tensor_of_the_wrong_size_is_named():
    [result] = failed(method(TooShort, "none"), "shapes").values()
    assert re.search(r"'mask' of a view has shape \(12, \d+\) where \(12, \d+\) is needed", str(result))


class Undefined(TextPerturbation[NoParams]):
    """Calls a method that strings do not have."""

    def perturb(self, text, rng):
        return text.undefined()


class Nothing(TextPerturbation[NoParams]):
    """Returns nothing."""

    def perturb(self, text, rng):
        """Forgets the return."""


class NoIds(TokenPerturbation[NoParams]):
    """Returns nothing."""

    def perturb(self, batch, maskable):
        """Forgets the return."""


def test_the_line_where_a_method_raises_is_reported():
    [result] = failed(method(Undefined), "shapes").values()
    assert "AttributeError" in result.happened
    assert re.search(r"Line \d+ of test_run_checks.py, in perturb\(\)", result.fix)
    [result] = failed(method(Nothing), "shapes").values()
    assert "perturb() returned None" in result.happened
    [result] = failed(method(NoIds, "token", needs=NEEDS), "shapes").values()
    assert "perturb() returned NoneType" in result.happened
    assert "docs/write-a-method.md" in result.fix  # no line of the method raised


@pytest.mark.parametrize(
    ("factory", "why"), [(Hoarding, "more tensors are alive"), (Remembering, "holds 200 more objects")]
)
def test_memory_that_grows_is_found(factory, why):
    [result] = failed(method(factory, "none" if factory is Hoarding else "text"), "memory").values()
    assert why in result.happened


def test_parameters_that_cannot_be_written_down_are_found():
    [result] = failed(method(Careful, params=Fickle), "parameters").values()
    assert "no pickling" in result.happened


def test_a_teacher_with_another_vocabulary_is_tried_unless_the_record_rules_it_out():
    [result] = failed(method(Everywhere, "token"), "vocabularies").values()
    assert "needs={'one-vocabulary'}" in result.happened
    [result] = check(subject_of(method(Everywhere, "token", needs=NEEDS)), ["vocabularies"])
    assert (result.state, result.happened) == ("skipped", "the record says that it needs one vocabulary")


def test_the_objects_that_a_method_holds_are_counted_through_its_containers():
    class Holder:
        pass

    holder = Holder()
    holder.things = [["a", "b"], {"c": "d"}]
    before = held(holder)
    holder.things[0] += [f"new {number}" for number in range(5)]
    assert held(holder) == before + 5


def test_the_contract_as_tests_gives_reasons(request):
    test = contract_tests(method(Greedy, "none"))
    [mark] = test.pytestmark
    assert mark.args == ("check", names())
    test("labels")
    with pytest.raises(pytest.fail.Exception, match="soft=2; both must sum to 1"):
        test("weights")
    with pytest.raises(pytest.skip.Exception, match="only methods that rewrite text"):
        test("rows")


def test_a_wrapper_is_given_something_to_wrap():
    class Inner(WrapperParams):
        pass

    class Both(TextPerturbation[Inner]):
        def __init__(self, params, context, inner):
            super().__init__(params, context)
            self.inner = inner

        def perturb(self, text, rng):
            return self.inner.perturb(text, rng)

    subject = subject_of(replace(method(Both, params=Inner), wraps="text"))
    assert subject.name == "tested[simple-text]"
    results = check(subject, ["shapes", "rows", "awkward-text"])
    assert {result.state for result in results} == {"passed"}


def test_a_class_that_describes_itself_is_checked_as_its_record():
    class Described(Careful):
        """Says its name and its version."""

        name = "described"
        version = "1"

    assert subject_of(Described) == subject_of(method_of(Described))
    contract_tests(Described)("shapes")
    with pytest.raises(PluginError, match="Careful"):
        subject_of(Careful)


def test_an_invalid_record_is_refused():
    with pytest.raises(PluginError, match="level is 'words'"):
        subject_of(method(Careful, level="words"))


def test_an_unknown_check_has_a_nearest_match():
    with pytest.raises(UsageError, match="unknown check 'shape': did you mean 'shapes'"):
        only("shape")
