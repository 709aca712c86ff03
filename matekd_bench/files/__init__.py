"""File helpers: durable writes, digests, safe names, the offline switch, and tables of text."""
