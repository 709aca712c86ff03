"""Tasks: their records, data sources and metrics."""
