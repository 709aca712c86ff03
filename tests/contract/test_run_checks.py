"""The contract finds faults: each method here has one fault and fails the check for it."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from pydantic import ConfigDict

from faulty_methods import NEEDS, failed, method, text, tokens, yields
from matekd_bench import (
    Cycle,
    Joint,
    NoParams,
    Params,
    Perturbation,
    PluginError,
    TextPerturbation,
    UsageError,
    WrapperParams,
)
from matekd_bench.contract.checks.behavior_checks import held
from matekd_bench.methods.perturbation import method_of
from matekd_bench.testing import check, contract_tests, names, only, subject_of


class Careful(TextPerturbation[NoParams]):
    """Passes every check."""

    def perturb(self, text, rng):
        words = text.split()
        rng.shuffle(words)
        return " ".join(words)


@text
def global_noise(self, text, rng):
    """Draws from Python's global generator."""
    return " ".join(word for word in text.split() if random.random() < 0.5)


@tokens
def torch_noise(self, batch, maskable):
    """Draws from torch's global generator."""
    at = (torch.rand(batch.ids.shape) < 0.5) & maskable
    return batch.ids.masked_fill(at, self.context.student_tokens.mask)


@tokens
def torch_seeding(self, batch, maskable):
    """Seeds torch's global generator."""
    torch.manual_seed(1)
    return batch.ids.masked_fill(maskable, self.context.student_tokens.mask)


class Keeping:
    """What a method keeps from one update to the next."""

    def __init__(self, params, context):
        super().__init__(params, context)
        self.kept = []


class Counting(Keeping, TextPerturbation[NoParams]):
    """Rewrites a text depending on how many came before."""

    def perturb(self, text, rng):
        self.kept.append(1)
        return f"{'big ' * (len(self.kept) % 3)}{text}"


@text
def first_word(self, text, rng):
    """Assumes that there is a word."""
    return text.split()[0]


@tokens
def everywhere(self, batch, maskable):
    """Masks special tokens too."""
    at = (self.context.draw(batch, "everywhere") < 0.5) & (batch.mask == 1)
    return batch.ids.masked_fill(at, self.context.student_tokens.mask)


@tokens
def after_the_end(self, batch, maskable):
    """Writes into the padding."""
    return batch.ids.masked_fill(batch.mask == 0, self.context.student_tokens.mask)


@yields
def leaking(self, batch, models):
    """Runs a backward of its own through the student."""
    yield batch.clean
    (models.student_logits(batch.clean, train=False).square().sum() / batch.total).backward()


class Hoarding(Keeping, Perturbation[NoParams]):
    """Keeps the logits of every update."""

    def views(self, batch, models):
        self.kept.append((yield batch.clean))


class Remembering(Keeping, Careful):
    """Keeps every text: no tensor among them."""

    def perturb(self, text, rng):
        self.kept.append(super().perturb(text, rng))
        return self.kept[-1]


@yields
def uncounted(self, batch, models):
    """Runs the student without counting the pass."""
    with torch.no_grad():
        models.student.eval()(input_ids=batch.ids, attention_mask=batch.mask)
    yield batch.clean


@yields
def greedy(self, batch, models):
    """Spends the soft weight twice."""
    yield batch.clean
    yield batch.clean.weighted(gold=0.0, soft=1.0)


@yields
def wrong_labels(self, batch, models):
    """Swaps the gold labels."""
    yield replace(batch.clean, labels=1 - batch.labels)


@yields
def batch_mean(self, batch, models):
    """Adds a term that depends on which rows come in one piece."""
    yield Joint((batch.clean,), term=lambda logits: (logits - logits.mean(dim=0)).square().sum(dim=1))


@yields
def too_short(self, batch, models):
    """Yields a mask that is one position short."""
    yield replace(batch.clean, mask=batch.mask[:, :-1])


class OwnModule(Perturbation[NoParams]):
    """Trains a module whose cost is not counted."""

    cycle = Cycle(auxiliary=1, student=2)

    def __init__(self, params, context):
        super().__init__(params, context)
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
    wanted = [name for name in names() if name != "process"]  # test_process_checks.py has that one
    results = check(subject_of(method(Careful)), wanted)
    assert [result.check for result in results] == wanted
    assert [str(result) for result in results if result.state != "passed"] == []


@pytest.mark.parametrize(
    ("factory", "level", "checks", "why"),
    [
        (global_noise, "text", {"random-state", "rows"}, "random state"),
        (torch_noise, "token", {"random-state", "pieces"}, r"torch\.rand "),
        (torch_seeding, "token", {"random-state"}, r"torch\.manual_seed .*test_run_checks"),
        (Counting, "text", {"rows"}, "state between calls"),
        (first_word, "text", {"awkward-text"}, "'', .*IndexError"),
        (everywhere, "token", {"special-tokens"}, r"\[CLS\], \[SEP\]"),
        (leaking, "none", {"student"}, "gradient in the student"),
        (uncounted, "none", {"cost"}, "student made 2 passes, but 1 were"),
        (greedy, "none", {"weights"}, "gold=1 and soft=2"),
        (wrong_labels, "none", {"labels", "unlabeled"}, "not batch.labels"),
        (batch_mean, "none", {"pieces"}, "In micro-batches of 5 rows"),
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


@text
def reseeds(self, text, rng):
    """Seeds Python's global generator for its own draws, as many libraries do."""
    random.seed(rng.getrandbits(32))
    return " ".join(word for word in text.split() if random.random() > 0.1) or text


def test_no_check_hides_the_fault_of_another():
    assert set(failed(method(reseeds), "labels", "random-state")) == {"random-state"}


def test_the_checks_leave_the_global_generators_as_they_were():
    random.seed("a state that the method does not leave")
    before = random.getstate(), torch.get_rng_state()
    failed(method(reseeds), "labels")
    assert random.getstate() == before[0]
    assert torch.get_rng_state().equal(before[1])


def test_padding_that_is_written_into_is_found():
    assert set(failed(method(after_the_end, "token", needs=NEEDS), "special-tokens", "padding")) == {
        "padding"
    }


def test_a_tensor_of_the_wrong_size_is_named():
    [result] = failed(method(too_short, "none"), "shapes").values()
    assert re.search(r"'mask'.*\(12, \d+\).*\(12, \d+\)", str(result))


@text
def undefined(self, text, rng):
    """Calls a method that strings do not have."""
    return text.undefined()


def forgetful(self, *given):
    """Forgets the return."""


def test_the_line_where_a_method_raises_is_reported():
    [result] = failed(method(undefined), "shapes").values()
    assert "AttributeError" in result.happened
    assert re.search(r"Line \d+ of test_run_checks.py, in undefined\(\)", result.fix)
    [result] = failed(method(text(forgetful)), "shapes").values()
    assert "returned None" in result.happened
    [result] = failed(method(tokens(forgetful), "token", needs=NEEDS), "shapes").values()
    assert "returned None" in result.happened
    assert "test_run_checks.py, line" in result.happened  # no line of the method raised: where it is defined


def leaves(text, rng):
    """Ends the process."""
    raise SystemExit("no lexicon")


def test_what_is_no_exception_fails_its_check_as_any_other():
    [result] = failed(method(leaves), "shapes").values()
    assert "SystemExit: no lexicon" in result.happened
    assert re.search(r"Line \d+ of test_run_checks.py, in leaves\(\)", result.fix)


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
    [result] = failed(method(everywhere, "token"), "vocabularies").values()
    assert "needs={'one-vocabulary'}" in result.happened
    [result] = check(subject_of(method(everywhere, "token", needs=NEEDS)), ["vocabularies"])
    assert (result.state, "share a vocabulary" in result.happened) == ("skipped", True)


def test_the_objects_that_a_method_holds_are_counted_through_its_containers():
    holder = SimpleNamespace(things=[["a", "b"], {"c": "d"}])
    before = held(holder)
    holder.things[0] += [f"new {number}" for number in range(5)]
    assert held(holder) == before + 5


def test_the_contract_as_tests_gives_reasons(request):
    test = contract_tests(method(greedy, "none"))
    [mark] = test.pytestmark
    assert mark.args == ("check", names())
    test("labels")
    with pytest.raises(pytest.fail.Exception, match="soft=2"):
        test("weights")
    with pytest.raises(pytest.skip.Exception, match="rewrite text"):
        test("rows")


def test_a_wrapper_is_given_something_to_wrap():
    class Both(TextPerturbation[WrapperParams]):
        def __init__(self, params, context, inner):
            super().__init__(params, context)
            self.inner = inner

        def perturb(self, text, rng):
            return self.inner.perturb(text, rng)

    subject = subject_of(replace(method(Both, params=WrapperParams), wraps="text"))
    assert subject.name == "tested[simple-text]"
    results = check(subject, ["shapes", "rows", "awkward-text"])
    assert {result.state for result in results} == {"passed"}


def test_a_class_that_describes_itself_is_checked_as_its_record():
    described = type("Described", (Careful,), {"name": "described", "version": "1"})
    assert subject_of(described) == subject_of(method_of(described))
    contract_tests(described)("shapes")
    with pytest.raises(PluginError, match="Careful"):
        subject_of(Careful)


def test_an_invalid_record_and_an_unknown_check_are_refused():
    with pytest.raises(PluginError, match="'words'"):
        subject_of(method(Careful, level="words"))
    with pytest.raises(UsageError, match=r"'shape'.*'shapes'"):
        only("shape")
