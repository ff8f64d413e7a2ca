"""Packs: prepared data on disk, and the sources, readers and writers that make them."""
