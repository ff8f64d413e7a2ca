"""Walks from point to point of the latent space (paper sec. 6.1, Fig. 4), and how smooth they are."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Distance = Callable[[Tensor], Tensor]  # uint8 images (N, C, H, W) to features (N, F), compared by Euclidean distance


def lerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Return points on the straight line from ``start`` to ``end``.

    It stays within a uniform prior's cube, but passes through shorter vectors than a normal prior draws.

    Args:
        start: (..., latent_size), reached exactly at share 0.
        end: likewise, reached exactly at share 1.
        share: of the way, a shape that broadcasts against (...).
    """
    return torch.lerp(start, end, share.to(start)[..., None])


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Return points on the great circle from ``start`` to ``end`` (Shoemake 1985; White 2016 for latents).

    The direction turns at constant speed while the length goes evenly from one to the other. It keeps the length that a
    normal or spherical prior draws, but may leave a uniform prior's cube. Between vectors of one direction, or where
    one is zero, the line is straight.

    Args:
        start: (..., latent_size), reached exactly at share 0.
        end: likewise, reached exactly at share 1.
        share: of the way, a shape that broadcasts against (...).

    Raises:
        ValueError: the ends are opposite, and every great circle leads from one to the other.
    """
    straight = lerp(start, end, share)
    wide = share.double()[..., None]
    lengths = start.double().norm(dim=-1, keepdim=True), end.double().norm(dim=-1, keepdim=True)
    a, b = (v.double() / length.clamp(min=1e-300) for v, length in zip((start, end), lengths, strict=True))
    # Half angles by chord and sum: the arc cosine of a product loses half the digits of small angles.
    angle = 2 * torch.atan2((a - b).norm(dim=-1, keepdim=True), (a + b).norm(dim=-1, keepdim=True))
    turning = (lengths[0] > 0) & (lengths[1] > 0) & (angle > 1e-6)
    if bool((turning & (angle > torch.pi - 1e-6)).any()):
        raise ValueError("slerp between opposite points has no one way: move one of them a little, or walk linearly")
    sine = torch.where(turning, angle.sin(), torch.ones_like(angle))
    direction = (((1 - wide) * angle).sin() * a + (wide * angle).sin() * b) / sine
    curved = (direction * torch.lerp(*lengths, wide)).to(straight)
    return torch.where(turning & (wide > 0) & (wide < 1), curved, straight)


INTERPOLATIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": lerp, "spherical": slerp}


def walk(points: Tensor, steps: int, how: str = "linear") -> Tensor:
    """Return rows of latents (P - 1, steps, latent_size), each from one point to the next, both ends included.

    The last latent of a row is the first of the next. The paper's figure has 10 rows of 10 images and speaks of a
    series of 9 random points; it is read here as the 9 points where one row meets the next, so that with the two ends
    it takes 11. It does not tell how it interpolates: linearly, as its uniform prior suggests.

    Args:
        points: (P, latent_size), two or more.
        steps: latents of a row, two or more.
        how: ``linear`` or ``spherical``, see `lerp` and `slerp`.

    Raises:
        ValueError: too few points or steps, or another ``how``.
    """
    if how not in INTERPOLATIONS:
        raise ValueError(f"how={how} is not known: choose from {', '.join(INTERPOLATIONS)}")
    if len(points) < 2 or steps < 2:
        raise ValueError(f"a walk over {len(points)} points in {steps} steps goes nowhere: give two or more of both")
    share = torch.linspace(0, 1, steps)
    return INTERPOLATIONS[how](points[:-1, None], points[1:, None], share.expand(len(points) - 1, steps))


class Smoothness(NamedTuple):
    """How evenly the images of each row of a walk change.

    Attributes:
        largest: largest step over mean step (rows,): 1 where all steps are equal, the number of steps where all change
            comes in one; nan where nothing changes at all.
        mean: mean step (rows,), in the distance's unit: near 0 a walk is smooth because it stands still.
    """

    largest: Tensor
    mean: Tensor


def pixels(images: Tensor) -> Tensor:
    """Return uint8 images (N, C, H, W) as features (N, C*H*W): a step is their Euclidean distance in grey levels."""
    return images.flatten(1).float()


def smoothness(images: Tensor, distance: Distance = pixels) -> Smoothness:
    """Return the smoothness of each row of a walk.

    A generator that has learnt its images by heart jumps from one to the next; the paper looks for such sharp
    transitions (sec. 6.1).

    Args:
        images: uint8 (rows, steps, C, H, W), three steps or more.
        distance: what images are compared by: `pixels`, or a feature network.
    """
    rows, steps = images.shape[:2]
    if steps < 3:
        raise ValueError(f"{steps} images are too few to compare steps: show three or more a row")
    features = distance(images.flatten(0, 1)).float().view(rows, steps, -1)
    lengths = (features[:, 1:] - features[:, :-1]).norm(dim=2)
    mean = lengths.mean(dim=1)
    return Smoothness(lengths.amax(dim=1) / mean, mean)
