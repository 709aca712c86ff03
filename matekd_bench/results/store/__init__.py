"""Results folders on disk: written, read, continued and merged."""
