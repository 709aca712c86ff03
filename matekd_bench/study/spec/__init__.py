"""Everything that is asked for: presets, config file and options, merged into one checked model."""
