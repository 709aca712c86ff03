"""The statistics of the leaderboard: pure functions on scores and predictions that read no files."""
