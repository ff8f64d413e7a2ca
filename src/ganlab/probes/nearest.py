"""Exact nearest-neighbour classification by a stream of any number of samples (supplementary material, table 3).

float32 finds the candidates and float64 decides among them, which is as exact as float64 alone and twice as fast, or
much faster on a GPU. Memory does not grow with the number of samples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

QUERIES, REFERENCES = 2048, 4096  # of a tile of distances
PAIRS = 65_536  # compared in float64 at once
ROUNDING = 2.0**-24  # relative, of one operation in float32


@dataclass(frozen=True)
class NearestScore:
    """Error of the nearest-neighbour classifier."""

    samples: int  # number of references
    error: float  # share of queries whose nearest sample has another label
    mean_distance: float  # mean Euclidean distance of queries to their nearest samples, in units of their values


class NearestLabels:
    """The nearest of all samples added so far, and its label, for each query (N, ...), on the queries' device."""

    def __init__(self, queries: Tensor) -> None:
        self.queries = queries.flatten(1).float()
        count, self.dimensions = self.queries.shape
        self.squares = self.queries.double().square().sum(dim=1)
        self.distances = torch.full((count,), torch.inf, dtype=torch.float64, device=queries.device)  # squared
        self.labels = torch.full((count,), -1, device=queries.device)
        self.samples = 0

    def add(self, samples: Tensor, labels: Tensor) -> None:
        """Add samples (M, ...) of labels (M,); among equal distances the earliest sample wins."""
        samples, labels = samples.flatten(1).to(self.queries), labels.to(self.labels)
        if samples.shape[1] != self.dimensions:
            raise ValueError(f"samples have {samples.shape[1]} values each, and the queries {self.dimensions}")
        for begin in range(0, len(samples), REFERENCES):
            part = samples[begin : begin + REFERENCES]
            squares = part.double().square().sum(dim=1)
            for start in range(0, len(self.queries), QUERIES):
                self._tile(slice(start, start + QUERIES), part, squares, labels[begin : begin + REFERENCES])
        self.samples += len(samples)

    def _tile(self, rows: slice, part: Tensor, squares: Tensor, labels: Tensor) -> None:
        mine, queries = self.squares[rows], self.queries[rows]
        rough = torch.addmm((mine[:, None] + squares).float(), queries, part.T, alpha=-2)
        # A sum of D products in float32 errs by at most D roundings of the sum of their absolute values.
        slack = 2 * (self.dimensions + 8) * ROUNDING * (mine + squares.max())
        least = rough.min(dim=1).values.double() + slack
        limit = torch.minimum(least, self.distances[rows]) + slack
        row, column = (rough <= limit[:, None]).nonzero(as_tuple=True)
        best, label = self.distances[rows], self.labels[rows]
        for pairs in zip(row.split(PAIRS), column.split(PAIRS), strict=True):
            exact = (queries[pairs[0]].double() - part[pairs[1]].double()).square().sum(dim=1)
            nearest = torch.full_like(best, torch.inf).scatter_reduce_(0, pairs[0], exact, "amin")
            first = torch.full_like(label, len(part))
            ties = exact == nearest[pairs[0]]
            first.scatter_reduce_(0, pairs[0][ties], pairs[1][ties], "amin")
            nearer = nearest < best
            best[nearer], label[nearer] = nearest[nearer], labels[first[nearer]]

    def score(self, labels: Tensor) -> NearestScore:
        """Return the error so far, given the labels (N,) of the queries."""
        wrong = (self.labels != labels.to(self.labels)).double().mean().item()
        return NearestScore(self.samples, wrong, self.distances.sqrt().mean().item())


def scores_by_count(
    queries: Tensor, labels: Tensor, batches: Iterable[tuple[Tensor, Tensor]], counts: Iterable[int]
) -> Iterator[NearestScore]:
    """Yield the score of queries (N, ...) and labels (N,) after each of the counts of samples (table 3: 1k to 10M).

    Batches of samples (m, ...) and their labels (m,) are consumed lazily. If they end before the largest count, the
    last score is of all samples.
    """
    nearest, waiting, scored = NearestLabels(queries), sorted(set(counts)), 0
    for samples, given in batches:
        while waiting and nearest.samples + len(samples) >= waiting[0]:
            part = waiting.pop(0) - nearest.samples
            nearest.add(samples[:part], given[:part])
            samples, given = samples[part:], given[part:]
            yield nearest.score(labels)
            scored = nearest.samples
        if not waiting:
            break
        nearest.add(samples, given)
    if waiting and nearest.samples > scored:
        yield nearest.score(labels)
