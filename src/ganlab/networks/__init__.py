"""What is trained: plain modules, one file a paper; no Lightning, no configuration."""
