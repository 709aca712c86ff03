"""Plugins: the hooks that a plugin implements, and the host that finds and loads plugins."""
