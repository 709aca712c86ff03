"""The checks of ``matekd-bench doctor``: whether this machine has everything that a study needs."""
