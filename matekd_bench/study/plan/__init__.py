"""From a spec to the runs to train: the grid, identities, checks before training, tuning, shards, estimates."""
