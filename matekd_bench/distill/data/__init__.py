"""The training data of a run: encoded rows, their order, and the batches made from them."""
