"""The runs that a study trains: grid, identities, checks before training, tuning, shards and estimates."""
