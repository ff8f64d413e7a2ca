import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganlab.metrics import neighbours
from ganlab.metrics.neighbours import closest, overlap, radii


def draw(count: int, size: int, seed: int, offset: float = 0.0) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed)) + offset


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
def test_is_what_all_distances_say_whatever_the_tiles(count: int, others: int, tile: int, seed: int) -> None:
    first, second = draw(count, 3, seed), draw(others, 3, seed + 1)
    k = 1 + seed % (count - 1)
    within, across = (torch.cdist(first.double(), to.double()).square() for to in (first, second))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "TILE", tile)
        neighbours._cache.clear()
        assert torch.allclose(radii(first, k), within.sort(dim=1).values[:, k])
        ways = closest(first, second)
        found = overlap(first, second, k, False)
    for way, expected in zip(ways, (across.min(dim=1), across.min(dim=0)), strict=True):
        assert torch.allclose(way.distances, expected.values)
        assert torch.equal(way.indices, expected.indices)
    inside = across <= within.sort(dim=1).values[:, k, None]
    assert torch.equal(found.holders, inside.sum(dim=0))
    assert torch.equal(found.covered, inside.any(dim=1))
    assert found.reached is None


@pytest.mark.parametrize("tile", [7, 40, 64])
def test_copies_far_from_the_origin_lie_on_the_edge_of_balls(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "TILE", tile)
    neighbours._cache.clear()
    real = draw(64, 32, 0, offset=1000.0)  # where float32 products keep no digit of a distance
    fake = real[torch.randperm(64, generator=torch.Generator().manual_seed(1))]
    found = overlap(real, fake, 3, True)
    assert found.reached is not None
    # A copy of a real image lies in its own ball, in those on whose edge it is, and in whichever else hold it.
    exact = (torch.cdist(real.double(), real.double()).square().sort(dim=1).values)[:, 3]
    expected = (torch.cdist(real.double(), fake.double()).square() <= exact[:, None] + 1e-6).sum(dim=0)
    assert torch.equal(found.holders, expected)
    assert found.holders.sum() == 4 * 64
    assert bool(found.covered.all()) and bool(found.reached.all())


def test_the_same_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    neighbours._cache.clear()
    asked = []
    distances = neighbours.squared_distances
    monkeypatch.setattr(neighbours, "squared_distances", lambda a, b: asked.append(1) or distances(a, b))
    real, fake = draw(20, 4, 0), draw(20, 4, 1)
    first = overlap(real, fake, 3, True)
    assert len(asked) == 3  # real and real, fake and fake, real and fake
    assert overlap(real.clone(), fake.clone(), 3, True) is first
    assert len(asked) == 3
    overlap(real, fake + 1, 3, False)
    assert len(asked) == 4
    for seed in range(2 * neighbours.CACHED):
        radii(draw(4, 2, seed), 1)
    assert len(neighbours._cache) == neighbours.CACHED


def test_more_neighbours_than_there_are() -> None:
    with pytest.raises(ValueError, match="the 4-th nearest neighbour of 4 does not exist"):
        radii(draw(4, 2, 0), 4)
