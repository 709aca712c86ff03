"""Distillation: one trainer, one objective and one evaluation for every method."""
