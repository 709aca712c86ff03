"""The display of a study while it trains, in a terminal, a notebook or a log file, and its output streams."""
