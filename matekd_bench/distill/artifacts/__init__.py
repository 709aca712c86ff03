"""What is made once and shared by runs: teachers, their clean logits, generators, and kept students."""
