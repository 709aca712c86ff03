"""Distillation: one trainer, one objective and one evaluation for every method."""

from matekd_bench.gc_pause import gc_paused

with gc_paused():
    import torch as torch  # first, whoever else needs it
