"""Near-duplicate removal (paper, sec. 4.1)."""
