"""Sums of concepts in the latent space and in pixels (paper sec. 6.3.2, Fig. 7)."""

import torch
from torch import Tensor

NOISE = 0.25  # scale of the uniform noise that the neighbours of a sum are drawn with (paper)
CENTRE = 4  # of nine cells, row by row


def total(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Return mean(first) - mean(second) + mean(third) of exemplars (n, ...) each, as (...).

    The paper takes three exemplars a concept; single ones gave unstable results.
    """
    return first.mean(dim=0) - second.mean(dim=0) + third.mean(dim=0)


def neighbourhood(centre: Tensor, rng: torch.Generator, noise: float = NOISE) -> Tensor:
    """Return nine latents (9, latent_size), row by row: eight neighbours around the centre at index 4.

    A neighbour is the centre plus uniform noise of -``noise``..``noise`` in every coordinate (paper: 0.25, for its
    prior on [-1, 1]).
    """
    around = torch.empty(9, len(centre)).uniform_(-noise, noise, generator=rng).to(centre)
    around[CENTRE] = 0
    return centre + around


def pixel_total(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Return the same sum of uint8 images (n, C, H, W) each, clamped to uint8 (C, H, W): nothing is aligned."""
    return total(first.float(), second.float(), third.float()).round().clamp(0, 255).byte()
