"""A generator measured: real images, metrics, protocols."""
