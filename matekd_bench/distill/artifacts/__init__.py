"""Artifacts that are made once and shared by runs: teachers, their logits, generators, and kept students."""
