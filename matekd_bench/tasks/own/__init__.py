"""The user's own data as a task: a flat TOML file that names CSV, TSV or JSONL files, or a data set on the Hub."""
