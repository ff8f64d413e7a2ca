"""Linear classifiers on features: the paper's L2-SVM with squared hinge loss (one against the rest) and a linear probe.

The SVM's optimum is that of scikit-learn's ``LinearSVC(loss="squared_hinge")``, which the authors used. Its liblinear
copies the features to float64 at 16 bytes per entry: more than 20 GB for CIFAR-10's 50,000 x 28,672.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ganlab.probes.solver import Choice, Linear, Matrix, choose, minimise

AUTHORS_GRID = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)  # of C, in svhn/svhn_semisup_analysis.py
GRID = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of C, of the linear probe


def squared_hinge(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of max(0, 1 - y * score)^2 over examples (n,) and classes (n, K), and its derivative (n, K).

    y is 1 for an example's own class and -1 for the others.
    """
    signs = torch.full_like(scores, -1.0).scatter_(1, labels[:, None], 1.0)
    short = (1 - signs * scores).clamp_(min=0)
    return short.square().sum(dtype=torch.float64), -2 * signs * short


def cross_entropy(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed cross-entropy of scores (n, K) with classes (n,), and its derivative (n, K)."""
    logs = functional.log_softmax(scores, dim=1)
    slope = logs.exp()
    slope[torch.arange(len(slope), device=slope.device), labels] -= 1
    return -logs.gather(1, labels[:, None]).sum(dtype=torch.float64), slope


def fit_svm(features: Matrix, labels: Any, c: float, *, intercept_scaling: float = 1.0, **options: Any) -> Linear:
    """Return the L2-SVM of features (N, features) and labels (N,); options of `ganlab.probes.solver.minimise`.

    ``intercept_scaling`` has scikit-learn's default, under which the intercept is regularised as well.
    """
    return minimise(features, labels, squared_hinge, c, intercept_scaling=intercept_scaling, **options)


def fit_logistic(features: Matrix, labels: Any, c: float, **options: Any) -> Linear:
    """Return the multinomial logistic regression of features (N, features) and labels (N,) from 0 on.

    It equals scikit-learn's ``LogisticRegression(C=c)`` for three classes or more, with unregularised intercepts.
    Options are those of `ganlab.probes.solver.minimise`.
    """
    return minimise(features, labels, cross_entropy, c, **options)


def choose_svm(
    train: tuple[Matrix, Any], held_out: tuple[Matrix, Any], grid: Sequence[float] = AUTHORS_GRID, **options: Any
) -> Choice:
    """Return the L2-SVM of the C with the smallest error on held-out features and labels; options of `fit_svm`."""
    return choose(fit_svm, train, held_out, grid, **options)


def linear_probe(
    train: tuple[Matrix, Any],
    validation: tuple[Matrix, Any],
    test: tuple[Matrix, Any],
    grid: Sequence[float] = GRID,
    **options: Any,
) -> tuple[float, Choice]:
    """Return the test accuracy of the logistic regression whose C has the smallest validation error, and that choice.

    Each of the three is features (N, features) and labels (N,). Features are not scaled.
    """
    choice = choose(fit_logistic, train, validation, grid, **options)
    return choice.classifier.accuracy(*test), choice
