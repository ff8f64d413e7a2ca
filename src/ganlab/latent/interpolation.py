"""Latent interpolation between random points (paper sec. 6.1, figure 4), and its smoothness."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Distance = Callable[[Tensor], Tensor]  # uint8 images (N, C, H, W) to features (N, F), compared by Euclidean distance


def lerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Return points on the straight line from ``start`` to ``end`` (..., latent_size), exact at shares 0 and 1.

    It stays in the cube of a uniform prior, but passes through vectors shorter than those of a normal prior.
    """
    return torch.lerp(start, end, share.to(start)[..., None])


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Return points on the great circle from ``start`` to ``end`` (Shoemake 1985; White 2016 for latents).

    The direction turns at constant speed while the length changes linearly. It keeps the length of a normal or
    spherical prior, but may leave the cube of a uniform one. Between parallel vectors, or if one is zero, it is `lerp`.
    Opposite ends, whose great circle is not unique, raise ``ValueError``.
    """
    straight = lerp(start, end, share)
    wide = share.double()[..., None]
    lengths = start.double().norm(dim=-1, keepdim=True), end.double().norm(dim=-1, keepdim=True)
    a, b = (v.double() / length.clamp(min=1e-300) for v, length in zip((start, end), lengths, strict=True))
    # Half angles by chord and sum: the arc cosine loses half the digits of small angles.
    angle = 2 * torch.atan2((a - b).norm(dim=-1, keepdim=True), (a + b).norm(dim=-1, keepdim=True))
    turning = (lengths[0] > 0) & (lengths[1] > 0) & (angle > 1e-6)
    if bool((turning & (angle > torch.pi - 1e-6)).any()):
        raise ValueError("slerp between opposite points is not unique: move one of them a little, or use how=linear")
    sine = torch.where(turning, angle.sin(), torch.ones_like(angle))
    direction = (((1 - wide) * angle).sin() * a + (wide * angle).sin() * b) / sine
    curved = (direction * torch.lerp(*lengths, wide)).to(straight)
    return torch.where(turning & (wide > 0) & (wide < 1), curved, straight)


INTERPOLATIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": lerp, "spherical": slerp}


def walk(points: Tensor, steps: int, how: str = "linear") -> Tensor:
    """Return rows of latents (P - 1, steps, latent_size), each from one point to the next, both ends included.

    The last latent of a row is the first of the next. The paper's figure has 10 rows of 10 images "between a series of
    9 random points". We read these as the 9 points where two rows meet, so that 10 rows take 11 points. The kind of
    interpolation is not stated; its uniform prior suggests a linear one. ``how`` is ``linear`` or ``spherical``.
    """
    if how not in INTERPOLATIONS:
        raise ValueError(f"how={how} is not known: choose from {', '.join(INTERPOLATIONS)}")
    if len(points) < 2 or steps < 2:
        raise ValueError(f"a walk over {len(points)} points in {steps} steps goes nowhere: give two or more of both")
    share = torch.linspace(0, 1, steps)
    return INTERPOLATIONS[how](points[:-1, None], points[1:, None], share.expand(len(points) - 1, steps))


class Smoothness(NamedTuple):
    """How evenly the images of each row of a walk change."""

    largest: Tensor  # largest over mean step (rows,): 1 for equal steps, their number for one jump, NaN for no change
    mean: Tensor  # mean step (rows,), in the unit of the distance; near 0 the walk stands still


def pixels(images: Tensor) -> Tensor:
    """Return uint8 images (N, C, H, W) as features (N, C*H*W), for Euclidean distances in grey levels."""
    return images.flatten(1).float()


def smoothness(images: Tensor, distance: Distance = pixels) -> Smoothness:
    """Return the smoothness of each row of a walk, uint8 (rows, steps, C, H, W), in the features of ``distance``."""
    rows, steps = images.shape[:2]
    if steps < 3:
        raise ValueError(f"{steps} images per row are too few to compare steps: give three or more")
    features = distance(images.flatten(0, 1)).float().view(rows, steps, -1)
    lengths = (features[:, 1:] - features[:, :-1]).norm(dim=2)
    mean = lengths.mean(dim=1)
    return Smoothness(lengths.amax(dim=1) / mean, mean)
