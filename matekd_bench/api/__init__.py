"""The Python interface, which the command line also uses: a study, its results, and their leaderboard."""
