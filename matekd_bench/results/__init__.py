"""What is left of a run, and what is computed from it: records, the store, the leaderboard, exporters."""
