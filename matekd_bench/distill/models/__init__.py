"""The networks: checkpoints on disk, classifiers by family, tokenizers and masked language models."""
