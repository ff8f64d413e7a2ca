"""Evaluation of a generator: real images, metrics, protocols."""
