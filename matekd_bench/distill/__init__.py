"""Distillation: data, networks, teachers, and the training and evaluation of students, the same for every method."""

from matekd_bench.gc_pause import gc_paused

# Import torch here, before any module of the package does: its import makes very many objects, which the garbage
# collector would search again and again.
with gc_paused():
    import torch as torch
