"""MATE-KD against a dense float64 reference: one-hot times matrix, every position through the vocabulary head."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chisquare

from host_reads import HostReads
from matekd_bench.distill.settings import Objective
from matekd_plugins.masking import choose_masked
from matekd_plugins.matekd import MateKDParams
from matekd_plugins.matekd.adversary import MateKD, embedder
from matekd_plugins.matekd.sampling import StraightThroughLookup, gumbel_softmax, ordered_cumsum, sample
from rig import gap, reference

ROWS = [3, 17, 4, 30, 9, 1, 25, 12]


OBJECTIVES = {"paper": Objective(), "official": Objective(divergence="cross-entropy")}
variants = pytest.mark.parametrize("variant", OBJECTIVES)


def made(lab, **params):
    """The method, its gradients unclipped."""
    return MateKD(MateKDParams(clip=1e9, **params), lab.context)


def apart(lab, student, teacher):
    """What a variant calls the divergence, for each example: KL, cross-entropy, or the squared difference of scores."""
    if not lab.task.labels:
        return (student - teacher).square().squeeze(1)
    p = teacher.softmax(-1)
    entropy = (p * teacher.log_softmax(-1)).sum(-1) if lab.objective.divergence == "kl" else 0.0
    return entropy - (p * student.log_softmax(-1)).sum(-1)


def vocabulary_logits(lab, batch, at):
    """The generator's logits [B, L, V] at every position of the masked input, by the whole model."""
    generator = lab.context.trained[0].module.model
    ids = torch.where(at, lab.encoder.tokens.mask, batch.ids)
    return generator.train()(input_ids=ids, attention_mask=batch.mask, token_type_ids=batch.types).logits


def through_matrix(model, batch, rows):
    """Logits of a model that reads distributions over the vocabulary [B, L, V] as `rows @ W`."""
    embedded = rows @ model.get_input_embeddings().weight.detach()
    inputs = {"attention_mask": batch.mask, "token_type_ids": batch.types}
    return model(inputs_embeds=embedded, **inputs).logits


def generators_reference(lab, batch, temperature=1.0):
    """The divergence and its gradient upwards in the generator's weights, every position through every matrix."""
    at = choose_masked(lab.context, batch, 0.3)
    logits = vocabulary_logits(lab, batch, at)
    size = logits.shape[-1]
    uniform = torch.full(logits.shape, 0.5, dtype=torch.float64)
    uniform[at] = lab.context.draw(batch, "gumbel", width=size, at=at).double()
    soft = ((logits - (-uniform.log()).log()) / temperature).softmax(-1)
    hard = F.one_hot(soft.argmax(-1), size).double()
    plain = F.one_hot(batch.ids, size).double()
    rows = torch.where(at.unsqueeze(-1), hard + soft - soft.detach(), plain)
    student, teacher = (
        through_matrix(lab.student.train(), batch, rows),
        through_matrix(lab.teacher, batch, rows),
    )
    distance = apart(lab, student, teacher)
    names = [name for name, _ in lab.context.trained[0].module.named_parameters()]
    weights = [lab.context.trained[0].module.get_parameter(name) for name in names]
    grads = torch.autograd.grad(-distance.mean(), weights, allow_unused=True)
    return float(distance.detach().mean()), {
        f"own.{name}": grad
        for name, grad in zip(names, grads, strict=True)
        if grad is not None and not name.endswith("key.bias")
    }


@variants
@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_generators_step_is_the_dense_straight_through_gradient(rig, kind, temperature, variant):
    lab = rig(kind, objective=OBJECTIVES[variant])
    method = made(lab, temperature=temperature, variant=variant)
    batch = lab.batch(method, ROWS, phase="own", update=5)
    distance, grads = generators_reference(lab, batch, temperature)
    assert lab.update(method, batch) is None
    assert gap(grads, lab.grads) < 1e-9
    assert lab.context.diagnostics()["generator_divergence"] == pytest.approx(distance, rel=1e-9)


def written_ids(lab, batch):
    """x' [B, L], its masked positions drawn from the softmax of the whole generator by inverse CDF."""
    at = choose_masked(lab.context, batch, 0.3)
    with torch.no_grad():
        probabilities = vocabulary_logits(lab, batch, at).softmax(-1)[at]
    uniform = lab.context.draw(batch, "sample", at=at).double()
    drawn = [
        next(token for token, mass in enumerate(row.cumsum(0)) if mass > u)
        for row, u in zip(probabilities, uniform, strict=True)
    ]
    ids = batch.ids.clone()
    ids[at] = torch.tensor(drawn)
    return ids


def students_reference(lab, batch):
    """(CE(x) + D(T(x), S(x)) + D(T(x'), S(x'))) / 3 with one-hot rows of x' times the matrix."""
    ids, size = (
        written_ids(lab, batch),
        len(lab.context.trained[0].module.model.get_input_embeddings().weight),
    )
    lab.student.train()
    clean, written = (F.one_hot(part, size).double() for part in (batch.ids, ids))
    s, s_written = (through_student(lab, batch, rows) for rows in (clean, written))
    with torch.no_grad():
        t, t_written = (through_matrix(lab.teacher, batch, rows) for rows in (clean, written))
    gold = (
        F.cross_entropy(s, batch.labels)
        if lab.task.labels
        else F.mse_loss(s.squeeze(1), batch.labels.double())
    )
    loss = (gold + apart(lab, s, t).mean() + apart(lab, s_written, t_written).mean()) / 3
    grads = reference(lab, loss)
    table = grads["student.bert.embeddings.word_embeddings.weight"]
    table[lab.encoder.tokens.pad] = (
        0  # BERT's own rule: [PAD] is never learned, not even where it was drawn as a word
    )
    return float(loss.detach()), grads


@variants
@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
def test_the_students_step_is_the_dense_objective(rig, kind, variant):
    lab = rig(kind, objective=OBJECTIVES[variant])
    method = made(lab, variant=variant)
    batch = lab.batch(method, ROWS, update=5)
    loss, grads = students_reference(lab, batch)
    assert lab.update(method, batch) == pytest.approx(loss, rel=1e-7)  # the cached logits are float32
    assert gap(grads, lab.grads) < 1e-7


@variants
@pytest.mark.parametrize(
    ("phase", "expected"), [("student", students_reference), ("own", generators_reference)]
)
def test_single_precision_agrees_with_the_references(rig, phase, expected, variant):
    lab, exact = (rig(objective=OBJECTIVES[variant], dtype=dtype) for dtype in (torch.float32, torch.float64))
    found, grads = expected(exact, exact.batch(made(exact), ROWS, phase=phase, update=5))
    method = made(lab, variant=variant)
    loss = lab.update(method, lab.batch(method, ROWS, phase=phase, update=5))
    told = loss if phase == "student" else lab.context.diagnostics()["generator_divergence"]
    assert told == pytest.approx(found, rel=1e-3)
    assert gap(grads, {name: grad.double() for name, grad in lab.grads.items()}) < 1e-3


def through_student(lab, batch, rows):
    """As `through_matrix`, with the gradient of the matrix itself, which the student learns."""
    embedded = rows @ lab.student.get_input_embeddings().weight
    return lab.student(inputs_embeds=embedded, attention_mask=batch.mask, token_type_ids=batch.types).logits


def test_a_generators_step_climbs(rig):
    """Its gradient is that of minus the divergence: a small step along it raises the divergence."""
    lab = rig(rows=32)
    method = made(lab, generator_lr=1e-3)
    means = []
    for _ in range(6):
        lab.update(method, lab.batch(method, range(32), phase="own"))  # the same update: the same noise
        means.append(lab.context.diagnostics()["generator_divergence"])
    first, last = means[0], 6 * means[5] - 5 * means[4]
    assert last > first


def test_a_students_step_leaves_the_generator_alone(rig):
    lab = rig()
    method = made(lab)
    (trained,) = lab.context.trained
    before = {name: value.clone() for name, value in trained.module.state_dict().items()}
    lab.update(method, lab.batch(method, ROWS))
    assert all(value.equal(before[name]) for name, value in trained.module.state_dict().items())
    assert all(weight.grad is None for weight in trained.module.parameters())
    assert method.diagnostics() == {"generator_moved": 0.0}


def test_how_far_the_generator_moved_is_told(rig):
    lab = rig()
    method = made(lab, generator_lr=1e-3)
    (trained,) = lab.context.trained
    before = [weight.detach().clone() for weight in trained.module.parameters()]
    lab.update(method, lab.batch(method, ROWS, phase="own"))
    after = list(trained.module.parameters())
    moved = sum(float((a - b).detach().square().sum()) for a, b in zip(after, before, strict=True)) ** 0.5
    size = sum(float(b.square().sum()) for b in before) ** 0.5
    assert moved > 0
    assert method.diagnostics()["generator_moved"] == pytest.approx(moved / size)


@pytest.mark.parametrize("kind", ["single", "regression"])
def test_the_margin_is_the_divergence_above_that_on_the_text_before_the_first_update(rig, kind):
    """Same rows, masks and draws, in the last quarter of a round. What it measures is not counted."""
    lab = rig(kind)
    method = made(lab, generator_lr=0.1, generator_updates=8)
    size = len(lab.context.trained[0].module.model.get_input_embeddings().weight)
    batch = lab.batch(method, ROWS, phase="own", update=14)
    before = written_ids(lab, batch)
    lab.update(method, lab.batch(method, ROWS, phase="own"))
    after = written_ids(lab, batch)
    assert not after.equal(before)
    with torch.no_grad():
        now, then = (
            apart(lab, through_student(lab, batch, rows), through_matrix(lab.teacher, batch, rows))
            for rows in (F.one_hot(ids, size).double() for ids in (after, before))
        )
    margin = now - then
    lab.update(method, batch)
    counted = dict(lab.meter.forwards())
    reported = lab.context.diagnostics()
    assert reported["adversary_margin"] == pytest.approx(float(margin.mean()), rel=1e-6)
    assert reported["adversary_margin_se"] == pytest.approx(float(margin.std()) / len(ROWS) ** 0.5, rel=1e-6)

    other = rig(kind)
    unmeasured = made(other, generator_lr=0.1, generator_updates=8)
    other.update(unmeasured, other.batch(unmeasured, ROWS, phase="own"))
    other.update(unmeasured, other.batch(unmeasured, ROWS, phase="own", update=13))
    assert "adversary_margin" not in other.context.diagnostics()
    assert other.meter.forwards() == counted


def test_a_frozen_generator_has_no_margin(rig):
    lab = rig()
    method = made(lab, generator_updates=0)
    lab.update(method, lab.batch(method, ROWS))
    assert "adversary_margin" not in lab.context.diagnostics()


def test_text_of_nothing_but_special_tokens_passes_through(rig):
    lab = rig()
    method = made(lab)
    batch = lab.batch(method, ROWS)
    bare = replace(batch, special=torch.ones_like(batch.special))
    lab.update(method, bare)
    assert lab.update(method, replace(bare, phase="own")) is None
    assert not any(name.startswith("own.") for name in lab.grads)


def test_the_schedule_is_ten_before_every_hundred_and_none_for_a_frozen_generator(rig):
    cycle = made(rig()).cycle
    assert (cycle.auxiliary, cycle.student, cycle.stream) == (10, 100, "auxiliary")
    assert made(rig(), generator_updates=0).cycle is None
    assert made(rig(), generator_updates=2, student_updates=7).cycle.student == 7


LOGITS = torch.tensor([2.0, 0.5, -1.0, 0.0, 1.5, -3.0, float("-inf"), 0.3])
DRAWS = 40_000


def frequencies(ids):
    """p of the chi-square test that token ids come from the softmax of the logits."""
    counts = torch.bincount(ids, minlength=len(LOGITS))
    possible = LOGITS.isfinite()
    assert counts[~possible].sum() == 0
    expected = LOGITS.double().softmax(0)[possible] * len(ids)
    return chisquare(counts[possible].numpy(), (expected * len(ids) / expected.sum()).numpy()).pvalue


def uniform(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(11))


def test_both_ways_of_sampling_have_the_softmaxs_distribution():
    """By the inverse of the cumulative distribution, and by the argmax of the relaxed sample."""
    logits, noise = LOGITS.expand(DRAWS, -1), uniform(DRAWS, len(LOGITS))
    assert frequencies(sample(logits, uniform(DRAWS))) > 0.001
    assert frequencies(gumbel_softmax(logits, noise, 1.0).argmax(-1)) > 0.001


def test_the_ends_of_the_unit_interval_give_possible_tokens():
    ends = torch.tensor([0.0, 1 - 2**-24])
    logits = torch.tensor([float("-inf"), 0.0, 1.0, float("-inf")])
    assert sample(logits.expand(2, -1), ends).tolist() == [1, 2]
    assert bool(gumbel_softmax(torch.zeros(1, 2), torch.tensor([[0.0, 1 - 2**-24]]), 1.0).isfinite().all())


@pytest.mark.parametrize("length", [1, 2, 7, 30522])
def test_sums_in_a_fixed_order_are_cumulative_sums(length):
    values = torch.rand(3, length, generator=torch.Generator().manual_seed(0))
    exact = values.double().cumsum(dim=-1)
    torch.testing.assert_close(ordered_cumsum(values).double(), exact, rtol=1e-6, atol=0)


def test_neither_draw_changes_what_it_was_given():
    logits, noise = LOGITS.expand(3, -1).clone(), uniform(3, len(LOGITS))
    kept = logits.clone(), noise.clone()
    sample(logits, noise[:, 0])
    gumbel_softmax(logits, noise, 0.5)
    assert logits.equal(kept[0])
    assert noise.equal(kept[1])


def test_the_look_up_is_exact_and_its_gradient_that_of_the_soft_product():
    weight = torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    soft = torch.rand(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ids = soft.argmax(-1)
    found = StraightThroughLookup.look_up(soft, ids, weight)
    assert found.equal(weight[ids])
    upstream = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (grad,) = torch.autograd.grad((found * upstream).sum(), soft)
    (reference,) = torch.autograd.grad(((soft @ weight) * upstream).sum(), soft)
    assert torch.allclose(grad, reference, rtol=1e-14)


def test_the_embedding_that_a_generator_writes_is_the_look_up_of_its_ids():
    table = torch.nn.Embedding(9, 4).double()
    ids = torch.tensor([[2, 5, 3], [2, 7, 3]])
    at = torch.tensor([[False, True, False], [False, False, False]])
    soft = torch.rand(1, 9, dtype=torch.float64).requires_grad_()
    embedded = embedder(ids, at.nonzero(as_tuple=True), soft)(table)
    assert embedded.equal(table(ids))
    embedded.sum().backward()
    assert table.weight.grad is None
    assert torch.allclose(soft.grad[0], table.weight.detach().sum(dim=1))


@pytest.mark.parametrize(("phase", "reads"), [("student", ["tolist"]), ("own", ["nonzero", "tolist"])])
def test_the_masked_positions_are_read_once_by_the_method_and_once_by_the_suite(rig, phase, reads):
    """All other reads are of the loss and of norms of gradients."""
    lab = rig()
    method = MateKD(MateKDParams(), lab.context)
    trainer = lab.trainer(method)
    # In update 0 the method measures its margin too.
    batch = lab.batch(method, range(16), phase=phase, update=1)
    with HostReads() as made:
        trainer.update(batch)
    assert [name for name in made.names if name != "__float__"] == reads
