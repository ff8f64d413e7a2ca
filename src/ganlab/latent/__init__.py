"""Latent space: interpolation, arithmetic and directions, with scores for each."""
