"""Preset, config file and options of a study, merged into one checked model."""
