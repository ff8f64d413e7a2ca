import numpy as np
import pytest
import torch
from torch import Tensor

from ganlab.networks.any_size import at_any_size, ramp, reflected, starts


@pytest.mark.parametrize("size", [(5, 9), (1, 3), (16, 24), (37, 8)])
@pytest.mark.parametrize("tile", [None, 8, 16])
def test_a_network_that_changes_nothing_returns_the_picture(size: tuple[int, int], tile: int | None) -> None:
    seen = []

    def network(part: Tensor) -> Tensor:
        seen.append(tuple(part.shape[2:]))
        return part

    picture = torch.rand(1, 3, *size)
    torch.testing.assert_close(at_any_size(network, picture, 8, 16, tile), picture)
    least = 16 if tile is None else 8  # a longer side is cut, a shorter one is padded to 16 at least
    assert all(side % 8 == 0 and side >= least for sides in seen for side in sides)
    assert all(side <= max(tile or 0, 16) for sides in seen for side in sides) or tile is None


@pytest.mark.parametrize(("side", "before", "padded"), [(5, 2, 9), (3, 4, 16), (2, 7, 16), (1, 3, 8), (6, 0, 6)])
def test_sides_are_continued_by_reflection(side: int, before: int, padded: int) -> None:
    expected = np.pad(np.arange(side), (before, padded - side - before), mode="reflect")
    assert reflected(side, before, padded).tolist() == expected.tolist()


def test_padding_lies_on_both_sides_and_is_cropped_from_both() -> None:
    picture = torch.arange(1.0, 7.0).reshape(1, 1, 1, 6)
    seen = []
    at_any_size(lambda part: seen.append(part) or part, picture, 8)
    assert seen[0][0, 0, 0].tolist() == [2, 1, 2, 3, 4, 5, 6, 5]


def test_tiles_reach_from_end_to_end_and_share_a_quarter() -> None:
    assert starts(8, 8) == [0] and starts(9, 8) == [0, 1]
    assert starts(20, 8) == [0, 6, 12] and starts(21, 8) == [0, 4, 9, 13]
    assert ramp(8).tolist() == [0.25, 0.75, 1, 1, 1, 1, 0.75, 0.25]


def test_one_tile_fades_into_the_next() -> None:
    def network(part: Tensor) -> Tensor:  # the tile's mean everywhere
        return part.mean(dim=(2, 3), keepdim=True).expand_as(part)

    picture = torch.cat([torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 6)], dim=3)  # two tiles: 0..8 and 6..14
    row = at_any_size(network, picture, 4, tile=8)[0, 0, 3]
    first, second = 0.0, 0.75
    assert row[:6].tolist() == [first] * 6 and row[8:].tolist() == [second] * 6
    assert row[6:8].tolist() == pytest.approx([0.75 * 0.25, 0.75 * 0.75])
