"""The training loop: trainer, loss, optimizer, forward passes, cost, evaluation and checkpoints."""
