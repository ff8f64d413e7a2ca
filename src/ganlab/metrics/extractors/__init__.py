"""Feature networks: what FID and its relatives see instead of pixels."""
