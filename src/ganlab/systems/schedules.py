"""Learning rates over a run: factors of the configured rate, each a function of the images seen."""

from collections.abc import Callable
from math import cos, pi

from ganlab.arguments import Count, Natural, Positive, Share, checked

Schedule = Callable[[int], float]


@checked
class DecaySchedule:
    """Stays at 1 up to ``start`` images seen, then decays to the factor ``floor`` at ``until`` images seen."""

    def __init__(self, until: Count, start: Natural = 0, floor: Share = 0.0) -> None:
        if until <= start:
            raise ValueError(f"schedule.until={until} must be after schedule.start={start}")
        self.start, self.until, self.floor = start, until, floor

    def __call__(self, images_seen: int) -> float:
        done = min(max((images_seen - self.start) / (self.until - self.start), 0.0), 1.0)
        return self.floor + (1 - self.floor) * self.left(done)

    def left(self, done: float) -> float:
        """Return the remaining part of the decay, 1 to 0, after the share ``done`` of its time."""
        raise NotImplementedError


class Linear(DecaySchedule):
    """Decays linearly, as in SN-GAN's and CycleGAN's training."""

    def left(self, done: float) -> float:
        return 1 - done


class Cosine(DecaySchedule):
    """Decays along half a period of the cosine (Loshchilov and Hutter 2017; R3GAN)."""

    def left(self, done: float) -> float:
        return (1 + cos(pi * done)) / 2


@checked
class Exponential:
    """Halves every ``half_life`` images, down to the factor ``floor``.

    The original GAN's training divides its rate at each step.
    """

    def __init__(self, half_life: Positive, floor: Share = 0.0) -> None:
        self.half_life, self.floor = half_life, floor

    def __call__(self, images_seen: int) -> float:
        return max(0.5 ** (images_seen / self.half_life), self.floor)
