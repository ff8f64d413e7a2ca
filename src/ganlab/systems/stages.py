"""Stages: what changes while training goes on, as a pure function of the images seen.

A run that continues needs no state for them but its clock's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ganlab.arguments import Count, checked


@dataclass(frozen=True)
class Stage:
    """What holds at one moment of a staged training.

    Attributes:
        index: of the stage; systems prepare for a stage when this number rises.
        resolution: side of the images that the networks make now, in pixels; None for the full one.
        batch_size: global; None for ``data.batch_size``.
        fade: weight of the layers that were added last, 0 to 1.
        rate: factor of all learning rates.
        resets: how often optimisers have forgotten their moments by now.
        networks: those that train; None for all.
    """

    index: int = 0
    resolution: int | None = None
    batch_size: int | None = None
    fade: float = 1.0
    rate: float = 1.0
    resets: int = 0
    networks: tuple[str, ...] | None = None


class Stages(Protocol):
    """The stages of a training. The last one never ends."""

    def __call__(self, images_seen: int) -> Stage:
        """Return the stage after so many images."""

    @property
    def batch_sizes(self) -> frozenset[int]:
        """Return every global batch size that a stage sets."""


class Unstaged:
    """One stage without end."""

    batch_sizes: frozenset[int] = frozenset()
    _only = Stage()

    def __call__(self, images_seen: int) -> Stage:
        """Return the only stage."""
        return self._only


@checked
class Growing:
    """Progressive growing (Karras et al. 2018): each level fades in and then trains on.

    The first level does not fade in. Moments are reset when a fade begins and when it ends, as in the authors' code.

    Args:
        first: resolution of the first level, in pixels.
        last: resolution of the last level: ``first`` doubled some times.
        fading: images while a level fades in.
        stable: images of a level on its own.
        batch_sizes: global batch size by resolution; where there is none, ``data.batch_size``.
        rates: factor of the learning rates by resolution; where there is none, 1.

    Raises:
        ValueError: ``last`` is not ``first`` doubled some times.
    """

    def __init__(
        self,
        first: Count,
        last: Count,
        fading: Count,
        stable: Count,
        batch_sizes: Mapping[int, int] | None = None,
        rates: Mapping[int, float] | None = None,
    ) -> None:
        self.resolutions = [first]
        while self.resolutions[-1] < last:
            self.resolutions.append(2 * self.resolutions[-1])
        if self.resolutions[-1] != last:
            raise ValueError(f"stages.last={last} must be stages.first={first} doubled some times")
        self.fading, self.stable, self.sizes, self.rates = fading, stable, dict(batch_sizes or {}), dict(rates or {})

    @property
    def batch_sizes(self) -> frozenset[int]:
        """Return every global batch size that a level sets."""
        return frozenset(self.sizes[side] for side in self.resolutions if side in self.sizes)

    def __call__(self, images_seen: int) -> Stage:
        """Return the stage after so many images."""
        level, inside = 0, images_seen
        if images_seen >= self.stable:
            level, inside = divmod(images_seen - self.stable, self.fading + self.stable)
            level += 1
        if level >= len(self.resolutions):
            level, inside = len(self.resolutions) - 1, self.fading + self.stable
        side = self.resolutions[level]
        fade = 1.0 if level == 0 else min(inside / self.fading, 1.0)
        resets = 0 if level == 0 else 2 * level - 1 + (inside >= self.fading)
        return Stage(level, side, self.sizes.get(side), fade, self.rates.get(side, 1.0), resets)
