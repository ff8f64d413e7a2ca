"""Layers by name: normalisation, activation, resampling, projections and heads."""
