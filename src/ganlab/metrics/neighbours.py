"""Nearest neighbours among features, exactly and in bounded memory; what several metrics ask for is found once.

Own code: torch-fidelity's and torchmetrics' float32 distances change with the size of their chunks. Here squared
distances are sums in float64, of tiles of 2048 x 2048, and two that differ by rounding alone count as equal.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

TILE = 2048  # rows
SLACK = 1e-12  # of the squared length of a feature: what rounding may change of a squared distance
KEPT = 12  # results, each of a few numbers an image

Result = TypeVar("Result")
_found: OrderedDict[tuple[Any, ...], Any] = OrderedDict()


def once(function: Callable[..., Result]) -> Callable[..., Result]:
    """Keep the latest results of a function of tensors and integers, by the tensors' contents."""

    @wraps(function)
    def remembering(*given: Any) -> Result:
        key = (function.__name__, *(fingerprint(value) if isinstance(value, Tensor) else value for value in given))
        result = _found.pop(key) if key in _found else function(*given)
        _found[key] = result  # now the youngest
        while len(_found) > KEPT:
            _found.popitem(last=False)
        return result

    return remembering


def fingerprint(values: Tensor) -> tuple[Any, ...]:
    """Return device, shape and digest of a tensor's contents."""
    content = values.detach().cpu().contiguous().numpy()
    return str(values.device), tuple(values.shape), hashlib.blake2b(content.data, digest_size=16).digest()


@once
def radii(features: Tensor, k: int) -> Tensor:
    """Return the squared distance (N,) of each of the features (N, D) from its k-th nearest other, float64.

    Raises:
        ValueError: there are not as many others.
    """
    if not 1 <= k < len(features):
        raise ValueError(f"the {k}-th nearest other of {len(features)} does not exist")
    best = features.new_full((len(features), k), torch.inf, dtype=torch.float64)
    for rows, first in tiles(features):
        for columns, second in tiles(features, rows.start):
            distances = squared_distances(first, second)
            if rows == columns:
                distances.fill_diagonal_(torch.inf)
            else:
                merge(best, columns, distances.T)
            merge(best, rows, distances)
    return best[:, -1]


@dataclass(frozen=True)
class Closest:
    """The nearest of another set: squared distances (N,), float64, and its number there (N,)."""

    distances: Tensor
    indices: Tensor


@once
def closest(first: Tensor, second: Tensor) -> tuple[Closest, Closest]:
    """Return the nearest of the second features (M, D) for each of the first (N, D), and the other way round."""
    ways = tuple(
        Closest(one.new_full((len(one),), torch.inf, dtype=torch.float64), one.new_zeros(len(one), dtype=torch.long))
        for one in (first, second)
    )
    for rows, a in tiles(first):
        for columns, b in tiles(second):
            distances = squared_distances(a, b)
            for way, here, there, axis in ((ways[0], rows, columns, 1), (ways[1], columns, rows, 0)):
                least, index = distances.min(dim=axis)
                nearer = least < way.distances[here]
                way.distances[here] = torch.where(nearer, least, way.distances[here])
                way.indices[here] = torch.where(nearer, index + there.start, way.indices[here])
    return ways[0], ways[1]


@dataclass(frozen=True)
class Overlap:
    """How the balls around features, each reaching to its k-th nearest other, hold features of the other set.

    Attributes:
        holders: in how many of the real balls each generated feature lies, (N,).
        covered: whether each real ball holds a generated feature, (M,).
        reached: whether each real feature lies in a ball around a generated one, (M,); None where not asked.
    """

    holders: Tensor
    covered: Tensor
    reached: Tensor | None


@once
def overlap(real: Tensor, fake: Tensor, k: int, both: bool) -> Overlap:
    """Return how balls around real features (M, D) hold generated ones (N, D); with ``both`` also the other way."""
    real_reach = radii(real, k) + slack(real, fake)
    fake_reach = radii(fake, k) + slack(real, fake) if both else None
    holders = fake.new_zeros(len(fake), dtype=torch.long)
    covered, reached = real.new_zeros(len(real), dtype=torch.bool), real.new_zeros(len(real), dtype=torch.bool)
    for rows, a in tiles(fake):
        for columns, b in tiles(real):
            distances = squared_distances(a, b)
            inside = distances <= real_reach[columns]
            holders[rows] += inside.sum(dim=1)
            covered[columns] |= inside.any(dim=0)
            if fake_reach is not None:
                reached[columns] |= (distances <= fake_reach[rows, None]).any(dim=0)
    return Overlap(holders, covered, reached if both else None)


def slack(first: Tensor, second: Tensor) -> float:
    """Return how far two squared distances between features may differ by rounding alone."""
    return SLACK * max(one.double().square().sum(dim=1).max().item() for one in (first, second))


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Return |a - b|^2 (N, M) of float64 rows (N, D) and (M, D), 0 or more."""
    lengths = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)
    return torch.addmm(lengths, first, second.T, alpha=-2).clamp_(min=0)


def tiles(features: Tensor, start: int = 0) -> Iterator[tuple[slice, Tensor]]:
    """Yield features (N, D) from a row on, in float64 pieces with their places."""
    for begin in range(start, len(features), TILE):
        place = slice(begin, min(begin + TILE, len(features)))
        yield place, features[place].double()


def merge(best: Tensor, rows: slice, distances: Tensor) -> None:
    """Put the least of these distances (n, m) into the ascending ones so far, best[rows] (n, k)."""
    least = distances.topk(min(best.shape[1], distances.shape[1]), dim=1, largest=False).values
    best[rows] = torch.cat([best[rows], least], dim=1).topk(best.shape[1], dim=1, largest=False).values
