"""The base classes that a method extends, outside any training."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch

from matekd_bench import (
    Encoded,
    NoParams,
    Perturbation,
    Perturbed,
    Row,
    TextPerturbation,
    TokenPerturbation,
    View,
)
from matekd_bench.seeds import seed_of


class Numbered(TextPerturbation[NoParams]):
    """Appends a random number."""

    def perturb(self, text: str, rng: random.Random) -> str:
        return f"{text} {rng.randrange(10**9)}"


def encode(texts):
    return Perturbed(texts, Encoded([len(texts)], None, [False]), None)


def row(*texts, epoch=0, uid="u1"):
    return Row(uid, texts, epoch, lambda purpose: seed_of(7, purpose, epoch, uid))


def method(**attributes):
    booked = {}
    context = SimpleNamespace(
        encode=encode, report=lambda *what: booked.setdefault(what[0], what[1:]), booked=booked
    )
    made = Numbered(NoParams(), context)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def test_every_segment_draws_from_a_generator_of_its_own():
    first, second = method().rewrite(row("same", "same"), 0)
    assert first.startswith("same ")
    assert first != second


def test_a_segment_does_not_depend_on_what_other_segments_drew():
    """A second segment is perturbed alike, whatever its partner is."""
    assert method().rewrite(row("one", "two"), 0)[1] == method().rewrite(row("another", "two"), 0)[1]


def test_draws_are_fresh_for_each_epoch_variant_and_example():
    base = method().rewrite(row("x"), 0)
    assert method().rewrite(row("x"), 0) == base
    assert method().rewrite(row("x", epoch=1), 0) != base
    assert method().rewrite(row("x", uid="u2"), 0) != base
    assert method().rewrite(row("x"), 1) != base


@pytest.mark.parametrize(
    ("segments", "changed"), [("both", (True, True)), ("first", (True, False)), ("second", (False, True))]
)
def test_only_the_chosen_segments_change(segments, changed):
    texts = method(segments=segments).rewrite(row("a", "b"), 0)
    assert tuple(text != plain for text, plain in zip(texts, ("a", "b"), strict=True)) == changed


@pytest.mark.parametrize("segments", ["first", "second", "both"])
def test_a_single_text_is_perturbed_whichever_segment_was_chosen(segments):
    assert method(segments=segments).rewrite(row("a"), 0) != ("a",)


def test_ahead_makes_one_list_of_variants_a_row():
    prepared = method(variants=3).ahead([row("a"), row("b")])
    assert [len(variants) for variants in prepared] == [3, 3]
    assert len({variant.texts for variants in prepared for variant in variants}) == 6


@pytest.mark.parametrize("variants", [1, 4])
def test_text_views_share_the_soft_weight_between_clean_and_perturbed(variants):
    made = method(variants=variants)
    made.context.collate = lambda rows, dropout: View(
        torch.zeros(len(rows), 1), torch.ones(len(rows), 1), teacher="same", dropout=dropout
    )
    batch = SimpleNamespace(
        clean=View(torch.zeros(2, 1), torch.ones(2, 1), labels=torch.zeros(2)),
        prepared=made.ahead([row("a"), row("b")]),
    )
    clean, *perturbed = made.views(batch, None)
    assert (clean.gold, clean.soft, clean.teacher) == (1.0, 0.5, "clean")
    assert [view.soft for view in perturbed] == [0.5 / variants] * variants
    assert all(view.gold == 0.0 and view.labels is None for view in perturbed)
    assert [view.dropout for view in perturbed] == list(range(1, variants + 1))


def test_what_changed_is_counted_ahead_and_booked_when_it_is_seen():
    """Batches are made ahead of their time, and some are never trained on."""
    made = method()
    made.context.collate = lambda rows, dropout: View(torch.zeros(1, 1), torch.ones(1, 1))
    made.perturb = lambda text, rng: text.replace("b", "x y")
    prepared = made.ahead([row("a b", "c d e"), row("a a")])
    assert [(one.edits, one.words) for (one,) in prepared] == [(2, 5), (0, 2)]
    assert made.context.booked == {}
    list(
        made.views(SimpleNamespace(clean=View(torch.zeros(1, 1), torch.ones(1, 1)), prepared=prepared), None)
    )
    assert made.context.booked == {"words_changed": (2, 7), "texts_unchanged": (1, 2)}


def test_token_views_keep_everything_but_the_ids():
    class Shifted(TokenPerturbation[NoParams]):
        def perturb(self, batch, maskable):
            return torch.where(maskable, batch.ids + 1, batch.ids)

    ids = torch.tensor([[2, 10, 3]])
    clean = View(ids, torch.ones(1, 3), types=torch.zeros(1, 3), labels=torch.tensor([1]))
    batch = SimpleNamespace(ids=ids, special=torch.tensor([[True, False, True]]), clean=clean)
    first, second = Shifted(NoParams(), None).views(batch, None)
    assert (first.gold, first.soft) == (1.0, 0.5)
    assert second.ids.tolist() == [[2, 11, 3]]
    assert (second.mask, second.types) == (clean.mask, clean.types)
    assert (second.gold, second.soft, second.teacher, second.labels) == (0.0, 0.5, "same", None)


def test_a_plain_perturbation_does_nothing_unasked():
    made = Perturbation(NoParams(), None)
    assert made.ahead([row("a")]) is None
    assert made.warm_up(iter(()), None) is None
    assert (made.cycle, made.diagnostics(), list(made.notices)) == (None, {}, [])
    with pytest.raises(NotImplementedError):
        made.views(None, None)
