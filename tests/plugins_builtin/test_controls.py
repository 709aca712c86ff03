"""the baselines: `kd`, `finetune` and `random-mask`."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from matekd_bench import UsageError
from matekd_bench.distill.settings import Objective
from matekd_bench.plugins.host import Host
from rig import yielded

HOST = Host.load(only_builtin=True)
ROWS = [3, 17, 4, 30, 9, 1, 25, 12]


def made(lab, name, **params):
    record = HOST.method(name).record
    return record.factory(record.params(**params), lab.context)


def test_kd_learns_from_the_clean_text_alone(rig):
    lab = rig()
    method = made(lab, "kd")
    batch = lab.batch(method, ROWS)
    (view,) = method.views(batch, lab.models)
    assert view.ids is batch.ids
    assert (view.gold, view.soft, view.teacher) == (1.0, 1.0, "clean")
    lab.update(method, batch)
    assert lab.meter.forwards() == {"student": 1}


@pytest.mark.parametrize(
    ("kind", "gold"), [("single", 1 / 3), ("single", 0.2), ("single", 1.0), ("regression", 1 / 3)]
)
def test_finetune_is_cross_entropy_or_squared_error_whatever_the_studys_weights(rig, kind, gold):
    lab = rig(kind, objective=Objective(gold=gold, soft=1.0))
    method = made(lab, "finetune")
    batch = lab.batch(method, ROWS)
    with torch.no_grad():
        logits = lab.models.student_logits(batch.clean)
    squared = (logits[:, 0] - batch.labels).square().mean()
    expected = F.cross_entropy(logits, batch.labels) if kind == "single" else squared
    assert lab.update(method, batch) == pytest.approx(float(expected), rel=1e-12)
    assert "teacher" not in lab.meter.forwards()


def test_finetune_without_a_weight_on_labels_is_one_clear_line(rig):
    with pytest.raises(UsageError, match="'finetune'"):
        made(rig(objective=Objective(gold=0.0, soft=1.0)), "finetune")


def test_random_mask_masks_where_matekd_does(rig):
    """The reference differs from the adversary in nothing but the words that are filled in."""
    lab = rig()
    batch = lab.batch(made(lab, "kd"), ROWS)
    lab.scope.batch = batch
    _, masked = yielded(lab, made(lab, "random-mask"), batch)
    _, written = yielded(lab, made(lab, "matekd"), batch)
    changed = written.ids != batch.ids
    assert changed.any()
    assert (masked.ids[changed] == lab.encoder.tokens.mask).all()
