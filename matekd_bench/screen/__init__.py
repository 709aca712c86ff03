"""What a study shows while it trains, in a terminal, a notebook or a log file, and the streams it is shown on."""
