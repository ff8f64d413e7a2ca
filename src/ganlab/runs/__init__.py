"""How a command becomes a run: entry points, checked configuration, run folders, loggers, sweeps."""
