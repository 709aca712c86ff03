"""The base classes that a method extends, outside any training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace, new_class

import pytest
import torch

from matekd_bench import (
    Encoded,
    Method,
    NoParams,
    Params,
    Perturbation,
    Perturbed,
    PluginError,
    Range,
    Row,
    TextPerturbation,
    TokenPerturbation,
    View,
    WrapperParams,
)
from matekd_bench.methods.class_checks import make_perturbation
from matekd_bench.methods.method import FUNCTIONS
from matekd_bench.methods.params import resolve_all
from matekd_bench.methods.perturbation import P, method_of, params_of
from matekd_bench.methods.wrapping import combined_record
from matekd_bench.plugins.host import Host
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
    """A second segment is perturbed alike, whatever its partner is."""
    first, second = method().rewrite(row("same", "same"), 0)
    assert first.startswith("same ")
    assert first != second == method().rewrite(row("another", "same"), 0)[1]


def test_a_segment_may_depend_on_its_row():
    def joined(row, index, rng):
        return f"{row.uid} {row.texts[1 - index]} {rng.random() < 2}"

    made = method(perturb_segment=joined, segments="second")
    assert made.rewrite(row("one", "two"), 0) == ("one", "u1 one True")


def test_draws_are_fresh_for_each_epoch_variant_and_example():
    base = method().rewrite(row("x"), 0)
    assert method().rewrite(row("x"), 0) == base
    assert method().rewrite(row("x", epoch=1), 0) != base
    assert method().rewrite(row("x", uid="u2"), 0) != base
    assert method().rewrite(row("x"), 1) != base


@pytest.mark.parametrize(
    ("segments", "changed"), [("both", (True, True)), ("first", (True, False)), ("second", (False, True))]
)
def test_only_the_chosen_segments_change_and_a_single_text_always_does(segments, changed):
    made = method(segments=segments)
    texts = made.rewrite(row("a", "b"), 0)
    assert tuple(text != plain for text, plain in zip(texts, ("a", "b"), strict=True)) == changed
    assert made.rewrite(row("a"), 0) != ("a",)


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
    def perturb(self, batch, maskable):
        return torch.where(maskable, batch.ids + 1, batch.ids)

    ids = torch.tensor([[2, 10, 3]])
    clean = View(ids, torch.ones(1, 3), types=torch.zeros(1, 3), labels=torch.tensor([1]))
    batch = SimpleNamespace(ids=ids, special=torch.tensor([[True, False, True]]), clean=clean)
    shifted = type("Shifted", (TokenPerturbation,), {"perturb": perturb})
    first, second = shifted(NoParams(), None).views(batch, None)
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


class ShoutParams(Params):
    rate: float = 0.2


class Shout(TextPerturbation[ShoutParams]):
    """Words in capitals.

    This sentence is no part of the summary.
    """

    name = "shout"
    version = "3"
    role = "ablation"
    needs = frozenset({"thesaurus"})
    search = {"rate": Range(0.1, 0.5)}  # noqa: RUF012  # the base class declares it as ClassVar
    citation = "Somebody 2020"

    @classmethod
    def overrides(cls, params):
        return {"training.optimizer.clip": params.rate}

    @classmethod
    def resources(cls, params):
        return {"words": f"{params.rate} of them"}

    @classmethod
    def unfit(cls, params, task):
        return f"{params.rate} is too loud for {task.name}."

    @classmethod
    def check_rows(cls, params, rows):
        return [f"{len(rows)} rows are loud"]

    @classmethod
    def cost_beforehand(cls, params):
        return {"throats": params.rate}

    @classmethod
    def perturbed_rows(cls, params, rows):
        return [tuple(text.upper() for text in texts) for texts in rows.values()]


def test_a_class_becomes_the_record_that_would_have_been_written_for_it():
    record = method_of(Shout)
    assert record == Method(
        name="shout", summary="Words in capitals.", factory=Shout, level="text", version="3", params=ShoutParams,
        citation="Somebody 2020", needs=frozenset({"thesaurus"}), role="ablation", search={"rate": Range(0.1, 0.5)},
        overrides=Shout.overrides, resources=Shout.resources, unfit=Shout.unfit, check_rows=Shout.check_rows,
        cost_beforehand=Shout.cost_beforehand, perturbed_rows=Shout.perturbed_rows,
    )  # fmt: skip
    params = ShoutParams(rate=0.4)
    assert record.overrides(params) == {"training.optimizer.clip": 0.4}
    assert record.resources(params) == {"words": "0.4 of them"}
    assert record.unfit(params, SimpleNamespace(name="rte")) == "0.4 is too loud for rte."
    assert record.check_rows(params, {"a": ("b",)}) == ["1 rows are loud"]
    assert record.cost_beforehand(params) == {"throats": 0.4}
    assert record.perturbed_rows(params, {"a": ("b",)}) == [("B",)]


def test_a_class_that_says_only_what_it_must_has_the_defaults_of_a_record():
    bare = type("Bare", (TokenPerturbation,), {"name": "bare", "version": "1"})
    record = method_of(bare)
    plain = Method(name="bare", summary="", factory=bare, level="token", version="1")
    functions = dict.fromkeys(FUNCTIONS)
    assert vars(record) | functions == vars(plain) | functions
    asked = (record.overrides(NoParams()), record.resources(NoParams()), record.unfit(NoParams(), None))
    assert asked == ({}, {}, None)
    assert (list(record.check_rows(NoParams(), {})), record.cost_beforehand(NoParams())) == ([], {})
    assert record.perturbed_rows(NoParams(), {}) is None


@pytest.mark.parametrize(
    ("attributes", "summary"),
    [
        ({"__doc__": "\n    Below the quotes.\n\n    More.\n    "}, "Below the quotes."),
        ({"__doc__": "The docstring.", "summary": "The attribute."}, "The attribute."),
        ({}, ""),  # a docstring is not inherited
    ],
)
def test_the_summary_is_the_first_line_of_the_docstring_unless_one_is_given(attributes, summary):
    assert method_of(type("Louder", (Shout,), attributes)).summary == summary


@pytest.mark.parametrize("attribute", ["name", "level", "version"])
def test_a_class_that_lacks_a_required_attribute_is_refused_by_name(attribute):
    attributes = {"name": "bare", "level": "none", "version": "1"}
    del attributes[attribute]
    with pytest.raises(PluginError, match=rf'Bare .*`{attribute} = "'):
        method_of(type("Bare", (Perturbation,), attributes))


class Open(TextPerturbation[P]):
    """Leaves the type of its parameters open."""


@pytest.mark.parametrize(
    ("bases", "params"),
    [
        ((TextPerturbation[ShoutParams],), ShoutParams),
        ((Shout,), ShoutParams),
        ((Open[ShoutParams],), ShoutParams),
        ((Shout, Perturbation[WrapperParams]), WrapperParams),  # in place of the type that it would inherit
        ((Open,), NoParams),
        ((TextPerturbation,), NoParams),
    ],
)
def test_the_type_of_the_parameters_is_the_one_in_the_nearest_brackets(bases, params):
    assert params_of(new_class("Heir", bases)) is params


PLUGIN = """
from matekd_bench import Params, TextPerturbation, hookimpl


class EchoParams(Params):
    times: int = 1


class Echo(TextPerturbation[EchoParams]):
    '''Texts said again.'''

    name = "echo"
    version = "1"

    def perturb(self, text, rng):
        return " ".join([text] * (1 + self.params.times))


@hookimpl
def matekd_bench_methods():
    yield Echo
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Host]:
    """Load a plugin file of this source."""
    monkeypatch.setattr(Host, "latest", Host.latest)  # restored when the test ends, for the tests after it

    def load(source: str) -> Host:
        file = tmp_path / "plugin.py"
        file.write_text(source)
        return Host.load([file], only_builtin=True)

    return load


def test_a_class_that_a_hook_yields_is_a_method_like_any_other(load):
    host = load(PLUGIN)
    assert host.plugins[-1].provides == ("method echo",)
    record = host.method("echo").record
    assert (record.summary, record.level, record.version) == ("Texts said again.", "text", "1")
    [asked] = resolve_all("echo[times=2]", lambda name: host.method(name).record, {})
    echo = make_perturbation(asked.record, asked.params, SimpleNamespace(), asked.variant)
    assert isinstance(echo, record.factory)
    assert echo.rewrite(row("a", "b"), 0) == ("a a a", "b b b")


def test_a_class_with_methods_of_former_names_is_refused_when_its_file_is_loaded(load):
    former = "    def state(self): return {}\n    def restore(self, state): pass\n\n\n@hookimpl"
    named = r"plugin\.py.*'echo'.*state\(\).*state_dict\(\).*restore\(\).*load_state_dict\(\)"
    with pytest.raises(PluginError, match=named) as error:
        load(PLUGIN.replace("\n@hookimpl", former))
    assert "\n" not in str(error.value)


def test_a_class_with_methods_of_former_names_is_refused_when_a_factory_makes_it():
    former = type("Former", (Perturbation,), {"state": print, "restore": print})
    lazy = Method(name="lazy", summary="", factory=lambda *both: former(*both), level="text", version="1")
    with pytest.raises(PluginError, match=r"'lazy\[x=1\]'.*load_state_dict"):
        make_perturbation(lazy, NoParams(), None, "lazy[x=1]")
    outer = Method(name="outer", summary="", factory=print, level="text", version="1", wraps="text")
    with pytest.raises(PluginError, match="'lazy'"):
        make_perturbation(combined_record(outer, lazy, NoParams()), NoParams(), None, "outer[lazy]")
