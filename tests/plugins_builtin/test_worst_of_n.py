"""`worst-of-n`: which draw is kept, what is learned from it, what the search costs, and what it may wrap."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch

from matekd_bench import PluginError, TextPerturbation, UsageError
from matekd_bench.methods.params import resolve_all
from matekd_bench.plugins.host import Host
from matekd_plugins.worst_of_n import WorstOfN, WorstOfNParams
from rig import ROWS, WORDS, Given, SameText, SameTokens, gap, kd

HOST = Host.load(only_builtin=True)
METHODS = {"good": "eda[thesaurus=embedded]", "two": "eda[thesaurus=embedded,num_aug=2]"}


def made(lab, text):
    """A method as the grammar writes it, at work on the rig."""
    [found] = resolve_all(text, lambda name: HOST.method(name).record, {})
    return found.record.factory(found.params, lab.context)


class Numbered(TextPerturbation):
    """The draw with number j is all of one word, so that draws differ as much as texts can."""

    def rewrite(self, row, variant):
        word = WORDS[(variant * 7 + len(row.uid) + int(row.uid.rpartition("-")[2])) % len(WORDS)]
        return tuple(" ".join([word] * len(text.split())) for text in row.texts)


def wrapped(lab, n, inner=Numbered):
    return WorstOfN(WorstOfNParams(n=n), lab.context, inner(None, lab.context))


def divergences(lab, draws):
    """D between teacher and student for each draw, from the networks themselves, one text at a time."""
    lab.student.eval()
    found = []
    for draw in draws:
        theirs = draw.teacher or draw.student
        logits = []
        for model, encoded in ((lab.teacher, theirs), (lab.student, draw.student)):
            types = None if encoded.types is None else torch.tensor([encoded.types])
            with torch.no_grad():
                out = model(torch.tensor([encoded.ids]), token_type_ids=types).logits[0]
            logits.append(out)
        t, s = logits
        if lab.task.labels:
            found.append(float((t.softmax(-1) * (t.log_softmax(-1) - s.log_softmax(-1))).sum()))
        else:
            found.append(float((t - s).square()))
    return found


def views_of(lab, method, rows=ROWS):
    batch = lab.batch(method, rows)
    lab.scope.batch = batch
    return batch, list(method.views(batch, lab.models))


@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
@pytest.mark.parametrize("other", [False, True])
def test_the_draw_with_the_largest_divergence_is_kept(rig, kind, other, other_vocabulary):
    """Each example has its own worst draw, also where the teacher reads another vocabulary."""
    lab = rig(kind, teacher=other_vocabulary if other else None)
    method = wrapped(lab, 4)
    batch, (_, view) = views_of(lab, method)
    chosen = []
    for row, draws in enumerate(batch.prepared):
        scores = divergences(lab, draws)
        worst = scores.index(max(scores))
        chosen.append(worst)
        ids = draws[worst].student.ids
        assert view.ids[row, : len(ids)].tolist() == ids
        assert view.mask[row].sum() == len(ids)
        student = lab.models.student_logits(view, train=False)[row : row + 1].detach()
        divergence = lab.models.divergence(student, view.teacher[row : row + 1])
        assert float(divergence) == pytest.approx(max(scores), rel=1e-9)
    assert len(set(chosen)) > 1


def test_the_search_is_made_without_dropout_and_leaves_no_gradient(rig):
    """What is kept is the same with dropout in the student: the search sees it in eval mode."""
    with_dropout, without = rig(dropout=True), rig(dropout=False)
    kept = [views_of(lab, wrapped(lab, 4))[1][1] for lab in (with_dropout, without)]
    assert kept[0].ids.equal(kept[1].ids)
    assert kept[0].teacher.equal(kept[1].teacher)
    assert not kept[0].teacher.requires_grad
    assert all(weight.grad is None for weight in with_dropout.student.parameters())


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("text", METHODS.values())
def test_the_worst_of_one_is_the_wrapped_method(rig, text, other, other_vocabulary):
    results = []
    for name in (text, f"worst-of-n[{text},n=1]"):
        lab = rig("pairs", teacher=other_vocabulary if other else None, dropout=True)
        method = made(lab, name)
        loss = lab.update(method, lab.batch(method, ROWS))
        results.append((loss, dict(lab.grads), lab.context.diagnostics(), lab.meter.flops))
    (loss, grads, *rest), (same_loss, same_grads, *same_rest) = results
    assert loss == same_loss
    assert gap(grads, same_grads) == 0
    assert rest == same_rest


def test_draws_that_change_nothing_are_plain_distillation(rig):
    lab, plain = rig(), rig()
    method, reference = wrapped(lab, 3, SameText), Given(plain.context, kd)
    loss = lab.update(method, lab.batch(method, ROWS))
    assert loss == pytest.approx(plain.update(reference, plain.batch(reference, ROWS)), rel=1e-12)
    assert gap(lab.grads, plain.grads) < 1e-12


def test_each_view_is_the_worst_of_draws_of_its_own(rig):
    lab = rig()
    method = made(lab, f"worst-of-n[{METHODS['two']},n=3]")
    batch, (clean, *kept) = views_of(lab, method)
    assert [len(draws) for draws in batch.prepared] == [6] * len(ROWS)
    assert (clean.gold, clean.soft, clean.labels is batch.labels) == (1.0, 0.5, True)
    assert [(view.gold, view.soft, view.labels, view.dropout) for view in kept] == [
        (0.0, 0.25, None, 1),
        (0.0, 0.25, None, 2),
    ]
    for number, view in enumerate(kept):
        for row, draws in enumerate(batch.prepared):
            ids = view.ids[row, : int(view.mask[row].sum())].tolist()
            assert ids in [draw.student.ids for draw in draws[number * 3 : number * 3 + 3]]


def test_more_draws_are_worse(rig):
    """The draws with few are among those with many, so the largest divergence can only grow."""
    found = []
    for n in (2, 4, 8):
        lab = rig()
        views_of(lab, wrapped(lab, n))
        found.append(lab.context.diagnostics())
        assert found[-1]["divergence_worst"] > found[-1]["divergence_drawn"]
    worst = [one["divergence_worst"] for one in found]
    assert worst[0] < worst[-1]
    assert worst == sorted(worst)


def test_the_share_of_changed_words_is_that_of_what_is_kept(rig):
    lab = rig()
    views_of(lab, wrapped(lab, 2, SameText))
    assert lab.context.diagnostics()["texts_unchanged"] == 1.0
    lab = rig()
    views_of(lab, wrapped(lab, 2))
    assert lab.context.diagnostics()["texts_unchanged"] < 0.5


def test_the_search_is_counted(rig):
    """n forward passes of teacher and student to choose; then one pass of the student, none of the teacher."""
    booked = []
    for text in ("worst-of-n[nlpaug:swap,n=5]", "nlpaug:swap"):
        lab = rig()
        method = made(lab, text)
        lab.update(method, lab.batch(method, ROWS))
        booked.append((lab.meter.forwards(), lab.meter.backwards()))
    assert booked[0] == ({"student": 7, "teacher": 5}, {"student": 2})
    assert booked[1] == ({"student": 2, "teacher": 1}, {"student": 2})


def test_pieces_choose_as_the_whole_batch_does(rig):
    """The contract of every method, here where the draws differ most."""
    results = []
    for options in ({}, {"micro_batch": 5}):
        lab = rig("pairs")
        method = wrapped(lab, 4)
        results.append((lab.update(method, lab.batch(method, ROWS), **options), dict(lab.grads)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    assert gap(results[0][1], results[1][1]) < 1e-9


def test_what_the_wrapped_method_says_prepares_and_remembers_is_passed_on(rig):
    class Talking(SameText):
        notices = ("no thesaurus",)
        prepared: tuple[str, ...] = ()

        def prepare(self, texts):
            self.prepared = tuple(texts)

        def diagnostics(self):
            return {"mood": 1.0}

        def state_dict(self):
            return {"prepared": self.prepared}

        def load_state_dict(self, state):
            self.prepared = state["prepared"]

    lab = rig()
    inner = Talking(None, lab.context)
    method = WorstOfN(WorstOfNParams(), lab.context, inner)
    method.prepare(["a", "b"])
    assert inner.prepared == ("a", "b")
    assert (method.notices, method.diagnostics()) == (("no thesaurus",), {"mood": 1.0})
    assert method.perturb("a cat", random.Random(1)) == "a cat"
    assert method.rewrite(SimpleNamespace(texts=("a",), seed=lambda purpose: 1), 0) == ("a",)
    method.load_state_dict({"prepared": ("c",)})
    assert (inner.prepared, method.state_dict()) == (("c",), {"prepared": ("c",)})


def test_only_methods_that_write_text_can_be_wrapped(rig):
    lab = rig()
    with pytest.raises(PluginError, match="'SameTokens'"):
        wrapped(lab, 2, SameTokens)
    for name in ("matekd", "random-mask", "kd"):
        with pytest.raises(UsageError, match=f"'{name}' in .* is of level"):
            made(lab, f"worst-of-n[{name}]")


@pytest.mark.parametrize("n", [0, 65, "many"])
def test_the_number_of_draws_has_bounds(n):
    with pytest.raises(UsageError, match="'n' of method 'worst-of-n'"):
        resolve_all(f"worst-of-n[eda,n={n}]", lambda name: HOST.method(name).record, {})
