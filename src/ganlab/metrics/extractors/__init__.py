"""Feature networks, whose features FID and other metrics compare."""
