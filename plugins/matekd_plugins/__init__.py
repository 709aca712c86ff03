"""The built-in methods and trackers, each a file or a small folder."""
