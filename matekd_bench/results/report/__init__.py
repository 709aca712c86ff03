"""Shows the leaderboard: on a terminal and as Markdown, LaTeX, HTML, plots and flat files."""
