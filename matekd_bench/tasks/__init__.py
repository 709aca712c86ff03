"""Tasks: their records, where their data comes from, and their metrics."""
