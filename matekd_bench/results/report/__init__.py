"""How the leaderboard is shown: on a terminal, as text, pages, pictures and flat files."""
