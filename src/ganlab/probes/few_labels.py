"""Classification with few labels, as in the authors' SVHN script (paper sec. 5.1 and 5.2, tables 1 and 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganlab.probes.linear import AUTHORS_GRID, fit_svm
from ganlab.probes.solver import Matrix


@dataclass(frozen=True)
class FewLabels:
    """Error rates, 0..1, of L2-SVMs trained on few labels."""

    c: float  # C of the smallest mean validation error
    validation: dict[float, float]  # mean validation error by C
    errors: list[float]  # test error of each draw

    @property
    def mean(self) -> float:
        """Mean error on the test set."""
        return float(np.mean(self.errors))

    @property
    def spread(self) -> float:
        """1.96 standard deviations of a draw, as the authors' script prints; not the error of the mean."""
        return 1.96 * float(np.std(self.errors))


def balanced_draw(labels: Any, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``per_class`` random indices of each class among labels (N,), class by class, without replacement."""
    labels = np.asarray(labels)
    places = []
    for value in np.unique(labels):
        own = np.flatnonzero(labels == value)
        if len(own) < per_class:
            raise ValueError(f"class {value} has {len(own)} examples, fewer than {per_class} per class")
        places.append(rng.choice(own, per_class, replace=False))
    return np.concatenate(places)


def measure_few_labels(
    train: tuple[Matrix, Any],
    validation: tuple[Matrix, Any],
    test: tuple[Matrix, Any],
    *,
    per_class: int = 100,
    grid: Sequence[float] = AUTHORS_GRID,
    choosing: int = 10,
    testing: int = 100,
    seed: int = 0,
    **options: Any,
) -> FewLabels:
    """Choose C by the mean validation error over class-balanced draws of training labels, then test new draws with it.

    Each of the three sets is features (N, features) and labels (N,). ``per_class`` is 100 for SVHN and 400 for
    CIFAR-10; the authors take 10 draws for ``choosing`` each C and 100 for ``testing``. Further options are those of
    `fit_svm`.
    """
    rng = np.random.default_rng(seed)
    count = int(np.max(np.asarray(train[1]))) + 1

    def error(c: float, given: tuple[Matrix, Any]) -> float:
        drawn = balanced_draw(train[1], per_class, rng)
        classifier = fit_svm(train[0][drawn], np.asarray(train[1])[drawn], c, classes=count, **options)
        return 1 - classifier.accuracy(*given)

    chosen = {c: float(np.mean([error(c, validation) for _ in range(choosing)])) for c in grid}
    best = min(chosen, key=lambda c: chosen[c])
    return FewLabels(best, chosen, [error(best, test) for _ in range(testing)])
