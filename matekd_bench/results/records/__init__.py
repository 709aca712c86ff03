"""The files that describe one run: its record, its predictions, and the dev set they refer to."""
