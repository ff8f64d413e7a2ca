"""Vector arithmetic for visual concepts, in latents and in pixels (paper sec. 6.3.2, figure 7)."""

import torch
from torch import Tensor

NOISE = 0.25  # scale of the uniform noise that the paper adds to the sum
CENTRE = 4  # index of the sum itself among the nine latents, row by row


def concept_sum(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Return mean(first) - mean(second) + mean(third) of exemplars (n, ...) each, as (...).

    The paper averages three exemplars per concept, because single ones gave unstable results.
    """
    return first.mean(dim=0) - second.mean(dim=0) + third.mean(dim=0)


def neighbourhood(centre: Tensor, rng: torch.Generator, noise: float = NOISE) -> Tensor:
    """Return nine latents (9, latent_size), row by row: the centre at index 4 and eight neighbours.

    A neighbour adds uniform noise in -``noise``..``noise`` to every coordinate (paper: 0.25, for a prior on [-1, 1]).
    """
    around = torch.empty(9, len(centre)).uniform_(-noise, noise, generator=rng).to(centre)
    around[CENTRE] = 0
    return centre + around


def pixel_sum(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Return `concept_sum` of uint8 images (n, C, H, W) each, clamped to uint8 (C, H, W), without alignment."""
    return concept_sum(first.float(), second.float(), third.float()).round().clamp(0, 255).byte()
