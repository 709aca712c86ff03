"""Mistakes that beginners make, each in a method that works otherwise, and the check that says so."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from faulty_methods import NEEDS, method, text, tokens, yields
from matekd_bench import NoParams, TextPerturbation
from matekd_bench.testing import check, subject_of


class Shared(TextPerturbation[NoParams]):
    """Keeps a list in the class, so that all runs of a process share it."""

    seen: list[str] = []  # noqa: RUF012  # the mistake

    def perturb(self, text, rng):
        self.seen.append(text)
        return f"{text} {self.seen[len(self.seen) // 2]}"


class Cached(TextPerturbation[NoParams]):
    """Keeps what it made of a text, so that every epoch sees the same."""

    def __init__(self, params, context):
        super().__init__(params, context)
        self.made: dict[str, str] = {}

    def perturb(self, text, rng):
        words = text.split()
        rng.shuffle(words)
        return self.made.setdefault(text, " ".join(words))


@text
def clocked(self, text, rng):
    """Seeds from the clock."""
    words = text.split()
    random.Random(time.perf_counter_ns()).shuffle(words)
    return " ".join(words)


@tokens
def one_noise(self, batch, maskable):
    """Draws the same noise for every batch, by position and not by row."""
    noise = torch.rand(batch.ids.shape, generator=torch.Generator().manual_seed(0))
    return batch.ids.masked_fill((noise < 0.3) & maskable, self.context.student_tokens.mask)


@tokens
def shuffled_rows(self, batch, maskable):
    """Takes words from the neighbor in the batch."""
    return batch.ids.where(~(maskable & maskable.roll(1, 0)), batch.ids.roll(1, 0))


@yields
def one_hot(self, batch, models):
    """Does not reckon with rows that have no label."""
    if not self.context.task.labels:  # scores stay as they are
        yield batch.clean
        return
    yield replace(batch.clean, labels=functional.one_hot(batch.labels, 2).double())


@yields
def unmasked(self, batch, models):
    """Forgets the attention mask."""
    yield replace(batch.clean, mask=torch.ones_like(batch.mask))


@yields
def nothing_soft(self, batch, models):
    """Leaves out the teacher."""
    yield batch.clean.weighted(gold=1.0, soft=0.0)


MISTAKES = {
    Shared: "deterministic",
    Cached: "effect",
    clocked: "deterministic",
    one_noise: "pieces",
    shuffled_rows: "pieces",
    one_hot: "unlabeled",
    unmasked: "padding",
    nothing_soft: "weights",
}


@pytest.mark.parametrize(
    ("factory", "name"), MISTAKES.items(), ids=lambda value: getattr(value, "__name__", value)
)
def test_a_beginners_mistake_is_found(factory, name):
    record = method(
        factory, factory.level or "none", needs=NEEDS if factory.level == "token" else frozenset()
    )
    [result] = check(subject_of(record), [name])
    assert result.state == "failed" or result.warning, str(result)
