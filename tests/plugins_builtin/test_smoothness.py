"""R3F, SMART and VAT against plain float64 references."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from matekd_bench.distill.training.forward_passes import RunModels
from matekd_bench.plugins.host import Host
from rig import ROWS, Watched, at_shift, gap, kd, reference, update, yielded

HOST = Host.load(only_builtin=True)
NAMES = ["r3f", "smart", "vat"]
LARGE = {  # sizes at which the terms count: at 1e-5 every mistake would hide behind kd
    "r3f": {"epsilon": 0.3, "weight": 2.0},
    "smart": {"epsilon": 0.05, "sigma": 0.02, "step_size": 0.08, "steps": 2, "weight": 2.0},
    "vat": {"epsilon": 0.6, "xi": 0.2, "power_iterations": 2, "weight": 2.0, "relative": False},
}


def made(lab, name, **params):
    record = HOST.method(name).record
    return record.factory(record.params(**params), lab.context)


def kl(student, teacher):
    p = teacher.softmax(-1)
    return (p * (teacher.log_softmax(-1) - student.log_softmax(-1))).sum(-1)


def kd_losses(lab, batch, logits):
    if not lab.task.labels:
        answers, targets = logits.squeeze(1), batch.teacher_logits.squeeze(1)
        return ((answers - batch.labels).square() + 2 * (answers - targets).square()) / 3
    return (
        F.cross_entropy(logits, batch.labels, reduction="none") + 2 * kl(logits, batch.teacher_logits)
    ) / 3


def apart(lab, one, other):
    """Symmetric: KL both ways, or the squared difference of scores."""
    return kl(one, other) + kl(other, one) if lab.task.labels else (one - other).square().squeeze(1)


def moved(lab, one, clean):
    return kl(one, clean) if lab.task.labels else (one - clean).square().squeeze(1)


def uniform_noise(lab, batch, purpose):
    drawn = lab.context.draw(batch, purpose, width=32).double()
    return drawn, batch.mask.unsqueeze(-1).double()


def normal_noise(lab, batch, purpose):
    drawn, mask = uniform_noise(lab, batch, purpose)
    return torch.special.ndtri(drawn.clamp(min=2.0**-25)) * mask


def r3f_loss(lab, batch, noise="uniform"):
    drawn, mask = uniform_noise(lab, batch, "r3f")
    shift = (2 * drawn - 1) * mask if noise == "uniform" else normal_noise(lab, batch, "r3f")
    clean, noised = at_shift(lab, batch), at_shift(lab, batch, 0.3 * shift)
    return (kd_losses(lab, batch, clean) + 2 * apart(lab, clean, noised)).mean()


def slope_rows(lab, batch, shift, distance):
    """Each example's gradient, one backward at a time."""
    leaf = shift.clone().requires_grad_()
    losses = distance(at_shift(lab, batch, leaf))
    return [torch.autograd.grad(loss, leaf, retain_graph=True)[0][row] for row, loss in enumerate(losses)]


def smart_loss(lab, batch):
    clean = at_shift(lab, batch)
    still = clean.detach()
    shift = 0.02 * normal_noise(lab, batch, "smart")
    for _ in range(2):
        grads = slope_rows(lab, batch, shift, lambda logits: apart(lab, logits, still))
        steps = torch.stack([grad / grad.abs().max() for grad in grads])
        shift = (shift + 0.08 * steps).clamp(-0.05, 0.05)
    return (kd_losses(lab, batch, clean) + 2 * apart(lab, clean, at_shift(lab, batch, shift))).mean()


def vat_loss(lab, batch):
    clean = at_shift(lab, batch)
    still = clean.detach()
    found = normal_noise(lab, batch, "vat")
    found = torch.stack([row / row.norm() for row in found])
    for _ in range(2):
        grads = slope_rows(lab, batch, 0.2 * found, lambda logits: moved(lab, logits, still))
        found = torch.stack([grad / grad.norm() for grad in grads])
    return (kd_losses(lab, batch, clean) + 2 * moved(lab, at_shift(lab, batch, 0.6 * found), still)).mean()


REFERENCES = {"r3f": r3f_loss, "smart": smart_loss, "vat": vat_loss}
OTHERS = {"r3f normal": (partial(r3f_loss, noise="normal"), {"noise": "normal"})}


@pytest.mark.parametrize("kind", ["single", "pairs", "regression"])
@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_loss_and_gradient_are_the_references(rig, kind, name):
    lab = rig(kind)
    plain_name = name.split()[0]
    of, params = OTHERS.get(name, (REFERENCES[plain_name], {}))
    method = made(lab, plain_name, **LARGE[plain_name], **params)
    batch = lab.batch(method, ROWS, update=3)
    loss = of(lab, batch)
    expected = reference(lab, loss)
    plain = float(kd_losses(lab, batch, at_shift(lab, batch)).detach().mean())
    assert float(loss.detach()) > plain * 1.001
    assert lab.update(method, batch) == pytest.approx(float(loss.detach()), rel=1e-6)
    assert gap(expected, lab.grads) < 1e-6  # Gaussian noise is made of float32 quantiles
    told = lab.context.diagnostics()["smoothness"]
    assert told == pytest.approx((float(loss.detach()) - plain) / 2, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_agrees_with_the_reference(rig, name):
    lab, exact = rig(dtype=torch.float32), rig()
    method = made(lab, name, **LARGE[name])
    loss = REFERENCES[name](exact, exact.batch(method, ROWS))
    expected = reference(exact, loss)
    assert lab.update(method, lab.batch(method, ROWS)) == pytest.approx(float(loss.detach()), rel=1e-3)
    assert gap(expected, {key: grad.double() for key, grad in lab.grads.items()}) < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_without_weight_it_is_kd(rig, name):
    base, its = update(rig(), kd)
    lab = rig()
    method = made(lab, name, weight=0.0)
    assert lab.update(method, lab.batch(method, ROWS)) == pytest.approx(base, rel=1e-12)
    assert gap(its, lab.grads) < 1e-12


@pytest.mark.parametrize("name", ["r3f", "smart"])
def test_at_the_papers_size_the_term_measures_the_noise_alone(rig, name):
    """With dropout on the passes share their masks; with masks of their own the term would be near 0.1."""
    lab = rig(dropout=True, dtype=torch.float32)
    method = made(lab, name)
    lab.update(method, lab.batch(method, ROWS))
    assert 0 < lab.context.diagnostics()["smoothness"] < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_leaves_these_methods_alone(rig, name):
    """Noise of 1e-5 is lost in bfloat16: their passes run in float32 all the same."""
    told = []
    for precision in ("float32", "bf16"):
        lab = rig(dtype=torch.float32)
        lab.models = RunModels(
            lab.student, lab.teacher, objective=lab.objective, regression=False, precision=precision,
            scope=lab.scope, meter=lab.meter,
        )  # fmt: skip
        method = made(lab, name)
        loss = lab.update(method, lab.batch(method, ROWS))
        told.append((loss, lab.context.diagnostics()["smoothness"]))
    assert told[0] == told[1]
    assert told[0][1] > 0


@pytest.mark.parametrize(
    ("name", "forwards", "backwards"), [("r3f", 2, 2), ("smart", 4, 3), ("vat", 3, 3)], ids=NAMES
)
def test_every_pass_is_counted(rig, name, forwards, backwards):
    lab = rig()
    method = made(lab, name)
    trainer = lab.trainer(method)
    batch = lab.batch(method, ROWS)
    trainer.update(batch)
    assert lab.meter.forwards() == {"student": forwards}
    assert lab.meter.backwards() == {"student": backwards}
    cost = {
        kind: lab.meter.cost("student", kind, *batch.ids.shape) for kind in ("forward", "train", "inputs")
    }
    spent = {"r3f": 0, "smart": cost["forward"] + cost["inputs"], "vat": cost["inputs"]}[name]
    assert lab.meter.flops == 2 * cost["train"] + spent
    assert trainer.spent.perturbed_examples == len(ROWS)


def test_smart_stays_in_the_ball_and_climbs(rig):
    told = []
    for step in (0.0, 1e-3):
        lab = rig()
        method = made(lab, "smart", step_size=step)
        _, perturbed = yielded(lab, method, lab.batch(method, ROWS))
        assert float(perturbed.shift.abs().max()) == pytest.approx(1e-5)
        told.append(lab.context.diagnostics()["smoothness"])
    assert told[1] > 10 * told[0]


def test_vat_finds_a_direction_that_random_ones_do_not_match(rig):
    lab = rig()
    method = made(lab, "vat", power_iterations=3, epsilon=0.05, xi=0.01)
    watched = Watched(method)
    batch = lab.batch(method, ROWS)
    before = {name: value.clone() for name, value in lab.student.state_dict().items()}
    lab.update(watched, batch)
    lab.student.load_state_dict(before)
    shift, clean = watched.given[1].shift, watched.seen[0].student
    size = torch.linalg.vector_norm(shift.flatten(1), dim=1)
    unit = lab.context.word_embeddings.median_norm
    assert size.tolist() == pytest.approx([0.05 * unit] * 16)
    with torch.no_grad():
        worst = kl(at_shift(lab, batch, shift), clean)
        for seed in range(20):
            other = torch.randn(shift.shape, dtype=shift.dtype, generator=torch.Generator().manual_seed(seed))
            other = other * batch.mask.unsqueeze(-1)
            other = (
                other / torch.linalg.vector_norm(other.flatten(1), dim=1).view(-1, 1, 1) * size.view(-1, 1, 1)
            )
            assert bool((kl(at_shift(lab, batch, other), clean) < worst).all())


@pytest.mark.parametrize("name", NAMES)
def test_all_passes_share_their_masks_and_run_in_float32(rig, name):
    lab = rig()
    clean, perturbed = yielded(lab, made(lab, name), lab.batch(made(lab, name), ROWS))
    assert (clean.dropout, perturbed.dropout, clean.precise, perturbed.precise) == (0, 0, True, True)
