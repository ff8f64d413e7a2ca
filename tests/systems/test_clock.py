import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganlab.systems.clock import Clock, generator_of, seed_of, seed_step


@given(sizes=st.lists(st.integers(1, 50), max_size=40), interval=st.integers(1, 120))
def test_every_multiple_of_an_interval_is_noticed_once(sizes: list[int], interval: int) -> None:
    clock, noticed = Clock(["discriminator"]), 0
    for size in sizes:
        clock.tick(size)
        noticed += clock.crossed(interval)
    assert clock.images_seen == sum(sizes) and clock.minibatches == len(sizes)
    passed = {total // interval for total in np.cumsum(sizes)} - {0}
    assert noticed == len(passed)


def test_no_interval_is_never_due() -> None:
    clock = Clock([])
    clock.tick(10)
    assert not clock.crossed(None) and not clock.crossed(0)


def test_the_counters_travel_in_the_state() -> None:
    clock, other = Clock(["a", "b"]), Clock(["a", "b"])
    clock.tick(64)
    clock.steps["b"] += 3
    other.load_state_dict(clock.state_dict())
    assert (other.images_seen, other.previous, other.minibatches, other.steps) == (64, 0, 1, {"a": 0, "b": 3})


def test_a_steps_randomness_follows_from_seed_rank_and_images() -> None:
    def draw(*key: int) -> tuple[float, float, float]:
        seed_step(*key)
        return torch.rand(1).item(), float(np.random.rand()), random.random()

    assert draw(0, 0, 64) == draw(0, 0, 64)
    assert len({draw(0, 0, 64), draw(1, 0, 64), draw(0, 1, 64), draw(0, 0, 128)}) == 4
    assert seed_of(1, 2) != seed_of(2, 1)
    assert torch.equal(torch.rand(3, generator=generator_of(5)), torch.rand(3, generator=generator_of(5)))
