"""Takes kept students out of a results folder: their folder for deployment, its model card, and what they cost."""
