"""Exact nearest neighbours among features, in bounded memory; metrics share the results.

torch-fidelity's and torchmetrics' float32 distances change with the size of their chunks. Here squared distances are
float64, in tiles of 2048 x 2048, and two that differ only by rounding count as equal.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

TILE = 2048  # rows
ROUNDING = 1e-12  # of a squared distance, as a share of a feature's squared length
CACHED = 12  # results, each a few numbers an image

Result = TypeVar("Result")
_cache: OrderedDict[tuple[Any, ...], Any] = OrderedDict()


def memoise(function: Callable[..., Result]) -> Callable[..., Result]:
    """Cache the latest results of a function of tensors and integers, by device, shape and digest of the tensors."""

    def fingerprint(values: Tensor) -> tuple[Any, ...]:
        content = values.detach().cpu().contiguous().numpy()
        return str(values.device), tuple(values.shape), hashlib.blake2b(content.data, digest_size=16).digest()

    @wraps(function)
    def cached(*given: Any) -> Result:
        key = (function.__name__, *(fingerprint(value) if isinstance(value, Tensor) else value for value in given))
        result = _cache.pop(key) if key in _cache else function(*given)
        _cache[key] = result  # the most recent
        while len(_cache) > CACHED:
            _cache.popitem(last=False)
        return result

    return cached


@memoise
def radii(features: Tensor, k: int) -> Tensor:
    """Return the squared distance (N,), float64, of each of more than k features (N, D) from its k-th neighbour."""
    if not 1 <= k < len(features):
        raise ValueError(f"the {k}-th nearest neighbour of {len(features)} does not exist")
    best = features.new_full((len(features), k), torch.inf, dtype=torch.float64)
    for rows, first in tiles(features):
        for columns, second in tiles(features, rows.start):
            distances = squared_distances(first, second)
            if rows == columns:
                distances.fill_diagonal_(torch.inf)
            else:
                _merge(best, columns, distances.T)
            _merge(best, rows, distances)
    return best[:, -1]


class Closest(NamedTuple):
    """Nearest neighbours in another set: squared distances (N,), float64, and indices there (N,)."""

    distances: Tensor
    indices: Tensor


@memoise
def closest(first: Tensor, second: Tensor) -> tuple[Closest, Closest]:
    """Return the nearest of the second features (M, D) for each of the first (N, D), and vice versa."""
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


class Overlap(NamedTuple):
    """How balls around features, each reaching to its k-th nearest neighbour, hold features of the other set."""

    holders: Tensor  # number of real balls that hold each generated feature, (N,)
    covered: Tensor  # whether each real ball holds a generated feature, (M,)
    reached: Tensor | None  # whether a ball around a generated feature holds each real one, (M,)


@memoise
def overlap(real: Tensor, fake: Tensor, k: int, both: bool) -> Overlap:
    """Return how balls around real features (M, D) hold generated ones (N, D); with ``both`` also vice versa."""
    real_reach = radii(real, k) + rounding_error(real, fake)
    fake_reach = radii(fake, k) + rounding_error(real, fake) if both else None
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


def rounding_error(first: Tensor, second: Tensor) -> float:
    """Return by how much rounding may change a squared distance between these features."""
    return ROUNDING * max(one.double().square().sum(dim=1).max().item() for one in (first, second))


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """Return |a - b|^2 (N, M) of float64 rows (N, D) and (M, D), 0 or more."""
    lengths = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)
    return torch.addmm(lengths, first, second.T, alpha=-2).clamp_(min=0)


def tiles(features: Tensor, start: int = 0) -> Iterator[tuple[slice, Tensor]]:
    """Yield features (N, D) from row ``start`` on: slices, and the float64 rows there."""
    for begin in range(start, len(features), TILE):
        rows = slice(begin, min(begin + TILE, len(features)))
        yield rows, features[rows].double()


def _merge(best: Tensor, rows: slice, distances: Tensor) -> None:
    """Merge distances (n, m) into the smallest so far, best[rows] (n, k), in ascending order."""
    least = distances.topk(min(best.shape[1], distances.shape[1]), dim=1, largest=False).values
    best[rows] = torch.cat([best[rows], least], dim=1).topk(best.shape[1], dim=1, largest=False).values
