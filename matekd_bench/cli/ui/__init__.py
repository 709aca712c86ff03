"""Output that commands share: the console, leaderboards and previews."""
