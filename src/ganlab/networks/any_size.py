"""Pictures of any size through a network of pictures: reflected borders, and overlapping tiles that are blended."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

OVERLAP = 4  # neighbouring tiles share at least 1/4 of their side


def at_any_size(
    network: Callable[[Tensor], Tensor], picture: Tensor, multiple: int, least: int = 1, tile: int | None = None
) -> Tensor:
    """Return what a network makes of a picture (1, C, H, W), of the same height and width.

    A side that does not fit is continued by reflection, half of it at each end, and cropped afterwards.

    Args:
        network: maps (1, C, h, w) to (1, C', h, w); sees one tile at a time.
        picture: the input.
        multiple: the sides that the network takes are multiples of it.
        least: and at least so long.
        tile: longer sides are cut into tiles of this length, a multiple of ``multiple``. The output fades from one to
            the next over their overlap.
    """
    height, width = picture.shape[2:]
    padded = [fitting_side(side, multiple, least, tile) for side in (height, width)]
    top, left = (padded[0] - height) // 2, (padded[1] - width) // 2
    rows, columns = reflected(height, top, padded[0]), reflected(width, left, padded[1])
    inputs = picture[:, :, rows][:, :, :, columns]
    sides = [side if tile is None else min(side, tile) for side in padded]
    if sides == padded:
        return network(inputs)[:, :, top : top + height, left : left + width]
    window = ramp(sides[0])[:, None] * ramp(sides[1])
    outputs, weights = None, torch.zeros(padded, device=inputs.device)
    for y, x in product(*map(starts, padded, sides)):
        place = slice(None), slice(None), slice(y, y + sides[0]), slice(x, x + sides[1])
        made = network(inputs[place])
        if outputs is None:
            outputs = torch.zeros(1, made.shape[1], *padded, dtype=made.dtype, device=inputs.device)
        outputs[place] += made * window.to(made)
        weights[place[2:]] += window
    assert outputs is not None
    return (outputs / weights)[:, :, top : top + height, left : left + width]


def fitting_side(side: int, multiple: int, least: int, tile: int | None = None) -> int:
    """Return the padded side of a picture; a longer one than a tile stays as it is."""
    if tile is not None and side > tile:
        return side
    return -(-max(side, least) // multiple) * multiple


def reflected(side: int, before: int, padded: int) -> Tensor:
    """Return which pixels (padded,) of a side continue it by reflection, as often as needed."""
    period = max(2 * (side - 1), 1)
    places = (torch.arange(padded) - before) % period
    return torch.minimum(places, period - places).clamp(max=side - 1)


def starts(padded: int, side: int) -> list[int]:
    """Return where tiles begin, evenly spaced from end to end."""
    count = -(-(padded - side) // (side - side // OVERLAP)) + 1
    return [round(index * (padded - side) / max(count - 1, 1)) for index in range(count)]


def ramp(side: int) -> Tensor:
    """Return the weight (side,) of a tile's pixels along one axis: 1, and falling linearly towards both ends."""
    places = torch.arange(side) + 0.5
    return (torch.minimum(places, side - places) / max(side // OVERLAP, 1)).clamp(max=1.0)
