"""Training of one run: trainer, loss, optimizer, forward passes, evaluation and checkpoints."""
