"""An independent recomputation of a leaderboard from a results folder: numpy and scipy, nothing of the project."""
