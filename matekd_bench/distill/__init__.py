"""Distillation: one trainer, one objective and one evaluation for every method."""

from matekd_bench.bulk import uncollected

with uncollected():
    import torch as torch  # first, whoever else needs it
