"""The clock of a training run: images seen, and the random numbers that follow from it."""

import random
from typing import Any

import numpy as np
import torch
from torch import nn


class Clock(nn.Module):
    """Counts real images drawn from the data over all ranks, minibatches, and the steps of each player.

    Plain integers, so that reading the clock never waits for a device; they are part of the module's state.
    """

    def __init__(self, players: list[str]) -> None:
        super().__init__()
        self.images_seen = self.minibatches = 0
        self.previous = 0  # images seen before the last minibatch
        self.steps = dict.fromkeys(players, 0)

    def tick(self, images: int) -> None:
        """Count one minibatch of ``images`` real images."""
        self.previous = self.images_seen
        self.images_seen += images
        self.minibatches += 1

    def crossed(self, interval: int | None) -> bool:
        """Whether the last minibatch reached or passed a multiple of ``interval`` images; never for None or 0."""
        return interval is not None and interval > 0 and self.previous // interval < self.images_seen // interval

    def get_extra_state(self) -> dict[str, Any]:
        counters = {name: getattr(self, name) for name in ("images_seen", "previous", "minibatches")}
        return counters | {"steps": dict(self.steps)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the counters of ``state``; ``ValueError`` if they are not those of a clock with these players."""
        same = state.keys() == self.get_extra_state().keys() and state["steps"].keys() == self.steps.keys()
        counts = [value for name, value in state.items() if name != "steps"] + [*state.get("steps", {}).values()]
        if not same or not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError(f"the clock holds {state}")
        for name, value in state.items():
            setattr(self, name, value)


def seed_of(*key: int) -> int:
    """Return a 63-bit seed for a tuple of integers; neighbours are unrelated, zeros at the end do not count."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_step(seed: int, rank: int, images_seen: int) -> None:
    """Seed the global generators of torch, numpy and Python for one step, so that nothing of them needs saving."""
    value = seed_of(seed, rank, images_seen)
    # torch.manual_seed formats the stack for each kind of device that was not used yet: a millisecond, at every step.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)


def generator_of(*key: int) -> torch.Generator:
    """Return a CPU generator seeded by a tuple of integers."""
    return torch.Generator().manual_seed(seed_of(*key))
