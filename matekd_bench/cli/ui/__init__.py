"""Output that commands share: the console, progress, leaderboards and previews."""
