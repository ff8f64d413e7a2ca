"""The paper's classifier upon features: a linear L2-SVM with squared hinge, each class against the rest.

The optimum is that of scikit-learn's ``LinearSVC(loss="squared_hinge")``, which the authors used; liblinear copies the
features to float64 with 16 bytes an entry, more than 20 GB for CIFAR-10's 50,000 x 28,672.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ganlab.probes.solver import Choice, Linear, Matrix, choose, minimise

AUTHORS_GRID = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)  # of C, in svhn/svhn_semisup_analysis.py


def squared_hinge(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of max(0, 1 - y * score)^2 over examples (n,) and classes (n, K), and its derivative (n, K).

    y is 1 for an example's own class and -1 for the others.
    """
    signs = torch.full_like(scores, -1.0).scatter_(1, labels[:, None], 1.0)
    short = (1 - signs * scores).clamp_(min=0)
    return short.square().sum(dtype=torch.float64), -2 * signs * short


def fit_svm(features: Matrix, labels: Any, c: float, *, intercept_scaling: float = 1.0, **options: Any) -> Linear:
    """Return the L2-SVM of features (N, features) and labels (N,).

    ``intercept_scaling`` is scikit-learn's, whose intercept is held small as well: 1 there and here. Options are those
    of `ganlab.probes.solver.minimise`.
    """
    return minimise(features, labels, squared_hinge, c, intercept_scaling=intercept_scaling, **options)


def choose_svm(
    train: tuple[Matrix, Any], held_out: tuple[Matrix, Any], grid: Sequence[float] = AUTHORS_GRID, **options: Any
) -> Choice:
    """Return the L2-SVM of the C that errs least on features and labels held out; options of `fit_svm`."""
    return choose(fit_svm, train, held_out, grid, **options)
