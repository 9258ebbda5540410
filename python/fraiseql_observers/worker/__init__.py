"""The worker: a supervisor, its child processes, and in each of them a runner that dispatches jobs."""
