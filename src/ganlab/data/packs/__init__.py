"""Packs: prepared pictures in memory-mapped arrays; how they are built, opened and read in order."""
