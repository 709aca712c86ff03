"""What a run leaves: its record, its predictions, the dev set they belong to."""
