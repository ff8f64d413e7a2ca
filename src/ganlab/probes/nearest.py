"""Exact nearest-neighbour classification by a stream of samples, however many (paper's supplementary, table 3).

float32 finds who may be nearest, float64 decides among them: as exact as float64, and twice as fast or, on a GPU,
much more. The memory does not grow with the number of samples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

QUERIES, REFERENCES = 2048, 4096  # of a tile of distances
PAIRS = 65_536  # decided together
ROUNDING = 2.0**-24  # relative, of one operation in float32


@dataclass(frozen=True)
class NearestScore:
    """What one counts as the nearest of so many samples.

    Attributes:
        samples: of which the nearest was sought.
        error: share of the queries whose nearest sample has another label.
        mean_distance: Euclidean, of the queries from their nearest samples, in the units of their values.
    """

    samples: int
    error: float
    mean_distance: float


class NearestLabels:
    """Remembers for each query the nearest of all samples that it was shown, and its label.

    Args:
        queries: (N, D) or images (N, ...), float32 or uint8, on the device where it is to be computed.
    """

    def __init__(self, queries: Tensor) -> None:
        self.queries = queries.flatten(1).float()
        count, self.dimensions = self.queries.shape
        self.squares = self.queries.double().square().sum(dim=1)
        self.distances = torch.full((count,), torch.inf, dtype=torch.float64, device=queries.device)  # squared
        self.labels = torch.full((count,), -1, device=queries.device)
        self.samples = 0

    def show(self, samples: Tensor, labels: Tensor) -> None:
        """Compare with samples (M, ...) of labels (M,). Of several at the same distance the earliest stays.

        Raises:
            ValueError: they are not as long as the queries.
        """
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
        """Return how many queries have a nearest sample of another label than theirs (N,), so far."""
        wrong = (self.labels != labels.to(self.labels)).double().mean().item()
        return NearestScore(self.samples, wrong, self.distances.sqrt().mean().item())


def scores_by_count(
    queries: Tensor, labels: Tensor, batches: Iterable[tuple[Tensor, Tensor]], counts: Iterable[int]
) -> Iterator[NearestScore]:
    """Yield the scores after the first so many samples of a stream, for each of the counts (table 3: 1k to 10M).

    Args:
        queries: images (N, ...) to be classified.
        labels: of the queries (N,).
        batches: of samples (m, ...) and their labels (m,); no more than needed are taken.
        counts: of samples; the stream may end before the largest, and then the last score is of all there were.
    """
    nearest, waiting, told = NearestLabels(queries), sorted(set(counts)), 0
    for samples, given in batches:
        while waiting and nearest.samples + len(samples) >= waiting[0]:
            part = waiting.pop(0) - nearest.samples
            nearest.show(samples[:part], given[:part])
            samples, given = samples[part:], given[part:]
            yield nearest.score(labels)
            told = nearest.samples
        if not waiting:
            break
        nearest.show(samples, given)
    if waiting and nearest.samples > told:
        yield nearest.score(labels)
