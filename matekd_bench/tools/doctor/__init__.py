"""What this machine has of what a study needs: looked at by `doctor`, fetched by `prepare`."""
