"""Checkpoints on disk, classifiers, masked language models and tokenizers."""
