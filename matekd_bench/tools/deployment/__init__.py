"""Exports kept students from a results folder: their folder for deployment, its model card, and their costs."""
