"""Files: durable writes, digests, names that may become paths, the offline switch, and tables of text."""
