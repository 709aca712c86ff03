"""Trains the runs of a plan: order, placement on devices, interrupts, records, events."""
