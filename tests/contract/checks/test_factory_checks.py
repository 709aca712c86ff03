"""How methods are made: factories that raise, levels that disagree, modules that the trainer does not know."""

from __future__ import annotations

import signal

import pytest
import torch
from torch import nn

from faulty_methods import NEEDS, failed, method, text, tokens
from matekd_bench import Method, NoParams, Perturbation, TextPerturbation
from matekd_bench.contract.run_checks import run_check
from matekd_bench.errors import StoppedError
from matekd_bench.testing import check, contract_tests, names, only, subject_of


class Unmade(TextPerturbation[NoParams]):
    """Raises while it is made."""

    def __init__(self, params, context):
        raise FileNotFoundError("no lexicon.txt")


class UnmadeForScores(Perturbation[NoParams]):
    """Raises for tasks without classes, after the check of single texts would have passed."""

    def __init__(self, params, context):
        super().__init__(params, context)
        self.share = 1 / len(context.task.labels)

    def views(self, batch, models):
        yield batch.clean


def test_a_method_that_cannot_be_made_is_reported_once_and_before_all_else():
    made, *others = check(subject_of(method(Unmade)))
    assert (made.check, made.state) == ("factory", "failed")
    assert "no lexicon.txt" in made.happened
    assert "test_factory_checks.py, in __init__()" in made.fix
    assert {result.state for result in others} == {"skipped"}
    assert [made.check, *(result.check for result in others)] == list(names())


def test_the_factory_is_tried_first_whatever_is_asked_for():
    results = check(subject_of(method(Unmade)), ["rows"])
    assert [(result.check, result.state) for result in results] == [
        ("factory", "failed"),
        ("rows", "skipped"),
    ]
    [result] = check(subject_of(method(Unmade)), ["factory"])
    assert result.state == "failed"


def test_tests_of_a_method_that_cannot_be_made_fail_once():
    test = contract_tests(method(Unmade))
    with pytest.raises(pytest.fail.Exception, match="no lexicon"):
        test("factory")
    with pytest.raises(pytest.skip.Exception, match="factory"):
        test("rows")


def test_the_factory_is_tried_for_each_kind_of_task():
    [result] = failed(method(UnmadeForScores, "none"), "shapes").values()
    assert (result.check, "ZeroDivisionError" in result.happened) == ("factory", True)


@text
def shout(self, text, rng):
    """Exclaims."""
    return f"{text} !"


class Plain(Perturbation[NoParams]):
    """Yields the clean view."""

    def views(self, batch, models):
        yield batch.clean


@pytest.mark.parametrize(
    ("factory", "level", "named"),
    [
        (shout, "token", "TextPerturbation"),
        (Plain, "text", "rewrite()"),
        (shout, "text", None),
        (Plain, "token", None),
    ],
)
def test_the_level_is_that_of_the_base_class(factory, level, named):
    results = failed(method(factory, level), "level")
    assert [named in result.happened for result in results.values()] == ([] if named is None else [True])


class Secret(Perturbation[NoParams]):
    """Trains a network that nobody knows, in a list."""

    def __init__(self, params, context):
        super().__init__(params, context)
        self.nets = [nn.Linear(1, 1)]

    def views(self, batch, models):
        with torch.enable_grad():
            self.nets[0](torch.ones(1, 1)).sum().backward()
        self.step()
        yield batch.clean

    def step(self):
        """Step with an optimizer of its own."""
        torch.optim.SGD(self.nets[0].parameters(), lr=0.1).step()


class ByHand(Secret):
    """Trains it without an optimizer."""

    def step(self):
        with torch.no_grad():
            for weight in self.nets[0].parameters():
                weight -= 0.1 * weight.grad
                weight.grad = None


class Consulted(Secret):
    """Only asks a network that could be trained, as a paraphraser."""

    def views(self, batch, models):
        with torch.no_grad():
            self.nets[0](torch.ones(1, 1))
        yield batch.clean


@pytest.mark.parametrize(
    ("factory", "named"), [(Secret, "SGD"), (ByHand, "weights of shape"), (Consulted, None)]
)
def test_modules_that_the_trainer_does_not_know_are_found(factory, named):
    results = failed(method(factory, "none"), "modules")
    assert [named in result.happened for result in results.values()] == ([] if named is None else [True])
    assert all("context.prepare" in result.fix for result in results.values())


@text
def exits(self, text, rng):
    """Ends the process, as a library that misses something."""
    raise SystemExit("no lexicon")


@text
def interrupts(self, text, rng):
    """Takes itself for the keyboard."""
    raise KeyboardInterrupt("by itself")


@tokens
def skips(self, batch, maskable):
    """Skips a test that is none."""
    pytest.skip("not today")


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (exits, "SystemExit: no lexicon"),
        (interrupts, "KeyboardInterrupt: by itself"),
        (skips, "Skipped: not today"),
    ],
)
def test_what_is_no_exception_fails_the_check_in_which_it_is_raised(factory, reason):
    record = method(factory, factory.level, needs=NEEDS if factory is skips else frozenset())
    result = run_check(subject_of(record), only("labels"))
    assert (result.check, result.state, reason in result.happened) == ("labels", "failed", True)
    assert f"in {factory.__name__}()" in result.fix


@text
def stopped(self, text, rng):
    """Is interrupted by the user."""
    signal.raise_signal(signal.SIGINT)
    return text


def test_a_real_interruption_is_no_failure_of_the_method():
    with pytest.raises(StoppedError):
        check(subject_of(method(stopped)), ["labels"])
    with pytest.raises(KeyboardInterrupt):
        contract_tests(method(stopped))("labels")


def test_a_factory_that_is_a_function_is_pointed_at():
    def make(params, context):
        return object()

    [result] = failed(
        Method(name="made", summary="", factory=make, level="none", version="1"), "factory"
    ).values()
    assert "test_factory_checks.py" in result.fix
