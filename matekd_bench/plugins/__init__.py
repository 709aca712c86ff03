"""How methods, tasks and suites come in: the hooks a plugin implements and the host that loads plugins."""
