"""What commands share to show things: the console, progress, leaderboards and previews."""
