"""The Python interface, which the command line goes through: a study, its results, and their leaderboard."""
