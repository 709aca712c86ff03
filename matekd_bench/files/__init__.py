"""Helpers for files: durable writes, digests, safe names, the offline switch, and tables of text."""
