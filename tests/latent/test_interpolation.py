import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganlab.latent.interpolation import lerp, slerp, smoothness, walk

seeds, shares = st.integers(0, 10_000), st.floats(0, 1)


def pair(seed: int, size: int = 7) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, size, generator=rng)
    return a, b * torch.empty(()).uniform_(0.1, 10, generator=rng)


@pytest.mark.parametrize("way", [lerp, slerp])
@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_the_ends_are_exact(way, seed):
    a, b = pair(seed)
    assert torch.equal(way(a, b, torch.tensor(0.0)), a) and torch.equal(way(a, b, torch.tensor(1.0)), b)


@given(seed=seeds, share=shares)
@settings(max_examples=40, deadline=None)
def test_slerp_turns_at_constant_speed_in_the_plane_of_its_ends(seed, share):
    a, b = (v.double() for v in pair(seed))
    found = slerp(a, b, torch.tensor(share))
    angle = torch.acos(a @ b / a.norm() / b.norm())
    turned = torch.acos((a @ found / a.norm() / found.norm()).clamp(-1, 1))
    assert float(turned) == pytest.approx(share * float(angle), abs=1e-6)
    assert float(found.norm()) == pytest.approx((1 - share) * float(a.norm()) + share * float(b.norm()), rel=1e-6)
    assert torch.linalg.matrix_rank(torch.stack([a, b, found]), rtol=1e-6) == 2


@given(seed=seeds, share=shares)
@settings(max_examples=30, deadline=None)
def test_slerp_is_the_same_way_back(seed, share):
    a, b = (v.double() for v in pair(seed))
    share = torch.tensor(share, dtype=torch.float64)
    torch.testing.assert_close(slerp(a, b, share), slerp(b, a, 1 - share))


def test_slerp_golden_values():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0])
    torch.testing.assert_close(slerp(a, b, torch.tensor(0.5)), torch.tensor([math.sqrt(2), math.sqrt(2)]))
    shares = torch.tensor([0.0, 1 / 3, 1.0])
    rows = slerp(a, torch.tensor([0.0, 1.0]), shares)
    torch.testing.assert_close(rows, torch.tensor([[1.0, 0.0], [math.sqrt(3) / 2, 0.5], [0.0, 1.0]]))


def test_slerp_of_what_has_no_angle_is_straight_and_of_opposites_an_error():
    a, half = torch.tensor([1.0, 2.0]), torch.tensor(0.5)
    torch.testing.assert_close(slerp(a, 3 * a, half), 2 * a)
    torch.testing.assert_close(slerp(a, torch.zeros(2), half), a / 2)
    near = slerp(a, a + torch.tensor([0.0, 1e-4]), torch.linspace(0, 1, 5))
    assert bool(near.isfinite().all()) and bool((near[1:, 1] > near[:-1, 1]).all())
    with pytest.raises(ValueError, match="opposite points"):
        slerp(a, -2 * a, half)


@pytest.mark.parametrize("how", ["linear", "spherical"])
def test_a_walk_has_the_layout_of_the_figure(how):
    points = torch.randn(11, 100, generator=torch.Generator().manual_seed(0))
    rows = walk(points, 10, how)
    assert rows.shape == (10, 10, 100)
    assert torch.equal(rows[:, 0], points[:-1]) and torch.equal(rows[:, -1], points[1:])
    assert torch.equal(rows[:-1, -1], rows[1:, 0])


def test_a_linear_walk_goes_evenly():
    rows = walk(torch.tensor([[0.0], [9.0], [0.0]]), 10)
    torch.testing.assert_close(rows[:, :, 0], torch.stack([torch.arange(10.0), torch.arange(10.0).flip(0)]))


def test_mistakes_in_walks_are_reported():
    points = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="how=bent is not known: choose from linear, spherical"):
        walk(points, 5, "bent")
    with pytest.raises(ValueError, match="two or more"):
        walk(points[:1], 5)
    with pytest.raises(ValueError, match="two or more"):
        walk(points, 1)


def test_smoothness_is_one_for_equal_steps_and_their_number_for_one_jump():
    levels = torch.tensor([[0, 10, 20, 30, 40], [0, 0, 0, 40, 40], [0, 10, 20, 20, 40], [7, 7, 7, 7, 7]])
    images = levels[:, :, None, None, None].expand(4, 5, 1, 2, 2).byte()
    largest, mean = smoothness(images)
    torch.testing.assert_close(largest, torch.tensor([1.0, 4.0, 2.0, math.nan]), equal_nan=True)
    assert mean.tolist() == [20, 20, 20, 0]  # of 4 pixels: twice the difference of one
    rooted = smoothness(images, lambda flat: flat.float().mean((1, 2, 3))[:, None] ** 0.5)
    assert float(rooted.largest[0]) == pytest.approx(2.0)  # sqrt(10) of sqrt(40) / 4
    with pytest.raises(ValueError, match="too few"):
        smoothness(images[:, :2])
