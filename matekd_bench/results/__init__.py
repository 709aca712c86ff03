"""Everything after training: records of runs, results folders, statistics, the leaderboard and its exports."""
