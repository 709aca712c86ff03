"""What a perturbation does to the texts that it is for, and to the batch and the teacher, which it must leave alone."""

from __future__ import annotations

import random

import pytest

from faulty_methods import NEEDS, failed, method, text, tokens, yields
from matekd_bench.testing import check, contract_tests, subject_of


@tokens
def in_place(self, batch, maskable):
    """Masks in the batch itself."""
    batch.ids[maskable] = self.context.student_tokens.mask
    return batch.ids


@yields
def bayesian(self, batch, models):
    """Wants the teacher's dropout."""
    models.teacher.train()
    yield batch.clean


@yields
def thawed(self, batch, models):
    """Wants gradients of the teacher."""
    models.teacher.requires_grad_(True)
    yield batch.clean


@yields
def scaled(self, batch, models):
    """Makes the teacher surer."""
    models.teacher.classifier.weight.data.mul_(2)
    yield batch.clean


@pytest.mark.parametrize(
    ("factory", "named"),
    [(in_place, "batch.ids"), (bayesian, "train mode"), (thawed, "gradients"), (scaled, "weights")],
)
def test_changed_inputs_are_found(factory, named):
    record = method(factory, "token" if factory is in_place else "none", needs=NEEDS)
    [result] = failed(record, "inputs").values()
    assert named in result.happened


@text
def emptied(self, text, rng):
    """Leaves nothing."""
    return " "


@text
def unchanged(self, text, rng):
    """Changes what the tokenizer does not see."""
    return text.upper()


@text
def constant(self, text, rng):
    """Draws from a generator of its own, which always begins alike."""
    words = text.split()
    random.Random(0).shuffle(words)
    return " ".join(words)


@text
def drawn(self, text, rng):
    """Draws as it should."""
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


@pytest.mark.parametrize(
    ("factory", "warning"),
    [(emptied, "empty"), (unchanged, "no token"), (constant, "in the same way"), (drawn, "")],
)
def test_a_perturbation_without_effect_is_a_warning(factory, warning):
    [result] = check(subject_of(method(factory)), ["effect"])
    assert result.state == "passed"
    assert warning in result.warning
    assert bool(warning) == bool(result.warning)


def test_a_warning_is_one_of_pytest_too():
    with pytest.warns(UserWarning, match="empty"):
        contract_tests(method(emptied))("effect")
