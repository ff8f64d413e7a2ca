"""Output for people: image grids, curves, tables of architectures, and pages to pick samples on."""
