"""Groups comparable records and computes the leaderboard from them."""
