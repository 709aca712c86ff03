"""The leaderboard: which records belong together, and what may be said of them."""
