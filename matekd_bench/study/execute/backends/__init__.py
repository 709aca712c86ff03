"""The executors that train runs: in this process, in worker processes, or on a Ray cluster."""
