"""Generators of the texts of mini-GLUE with their gold labels, one module for each kind of text."""
