"""The linear probe: logistic regression upon features, and how well it answers on images held out."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ganlab.probes.solver import Choice, Linear, Matrix, choose, minimise

GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of C


def cross_entropy(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed cross-entropy of scores (n, K) with classes (n,), and its derivative (n, K)."""
    logs = functional.log_softmax(scores, dim=1)
    slope = logs.exp()
    slope[torch.arange(len(slope), device=slope.device), labels] -= 1
    return -logs.gather(1, labels[:, None]).sum(dtype=torch.float64), slope


def fit_logistic(features: Matrix, labels: Any, c: float, **options: Any) -> Linear:
    """Return the multinomial logistic regression of features (N, features) and labels (N,) from 0 on.

    That of scikit-learn's ``LogisticRegression(C=c)`` for three classes and more: free intercepts, |W|^2 / 2 beside c
    times the summed cross-entropy. Options are those of `ganlab.probes.solver.minimise`.
    """
    return minimise(features, labels, cross_entropy, c, **options)


def probe(
    train: tuple[Matrix, Any],
    validation: tuple[Matrix, Any],
    test: tuple[Matrix, Any],
    grid: Sequence[float] = GRID,
    **options: Any,
) -> tuple[float, Choice]:
    """Return the accuracy on the test set of the C that errs least on the validation set, and how it was chosen.

    Each of the three is features (N, features) and labels (N,). Features are taken as they are: scale them first where
    their units differ.
    """
    choice = choose(fit_logistic, train, validation, grid, **options)
    return choice.classifier.accuracy(*test), choice
