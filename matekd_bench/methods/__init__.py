"""What a method is made of: its record, its base classes, and the words it shares with the trainer."""
