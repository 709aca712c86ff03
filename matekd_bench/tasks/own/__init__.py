"""Data of one's own as a task: a flat TOML file that names CSV, TSV or JSONL files, or a data set on the Hub."""
