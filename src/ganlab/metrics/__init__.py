"""Metrics: feature networks, and measures of generated against real images."""
