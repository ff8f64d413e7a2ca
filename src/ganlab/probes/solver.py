"""Linear classifiers on more features than liblinear can hold: L-BFGS in torch, reading the data in chunks.

The objective is scikit-learn's: |W|^2 / 2 + C * the summed loss of the examples' scores.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

log = logging.getLogger(__name__)

CHUNK = 4096  # examples on the device at once
HISTORY = 10  # pairs of L-BFGS, as in scipy
Matrix = np.ndarray | Tensor  # (N, features), in memory, memory-mapped or on a device
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # of scores (n, K) and classes (n,): its sum, its derivative


@dataclass(frozen=True)
class Linear:
    """A linear classifier."""

    weights: Tensor  # (features, K)
    intercepts: Tensor  # (K,)
    converged: bool  # whether the gradient reached the tolerance
    steps: int  # of the solver
    objective: float  # its final value

    def scores(self, features: Matrix, chunk: int = CHUNK) -> Tensor:
        """Return the scores (N, K) of features (N, features), on the classifier's device."""
        return torch.cat([piece @ self.weights + self.intercepts for _, piece in pieces(features, self.weights, chunk)])

    def predict(self, features: Matrix) -> Tensor:
        """Return the class (N,) with the highest score."""
        return self.scores(features).argmax(dim=1)

    def accuracy(self, features: Matrix, labels: Any) -> float:
        """Return the accuracy, 0..1, for labels (N,)."""
        return (self.predict(features) == torch.as_tensor(labels).to(self.weights.device)).double().mean().item()


def pieces(features: Matrix, like: Tensor, chunk: int = CHUNK) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices and their rows, moved to the device and dtype of ``like``."""
    for start in range(0, len(features), chunk):
        place = slice(start, min(start + chunk, len(features)))
        part = features[place]
        if isinstance(part, np.ndarray):  # copied if read-only, which torch warns of
            part = torch.from_numpy(np.ascontiguousarray(part) if part.flags.writeable else part.copy())
        yield place, part.to(like.device, like.dtype)


def minimise(
    features: Matrix,
    labels: Any,
    loss: Loss,
    c: float,
    *,
    classes: int | None = None,
    intercept_scaling: float | None = None,
    tolerance: float = 1e-4,
    max_steps: int = 1000,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    start: Linear | None = None,
    chunk: int = CHUNK,
) -> Linear:
    """Return the classifier that minimises |W|^2 / 2 + c * loss, for features (N, features) and classes (N,) from 0 on.

    With ``intercept_scaling``, as in liblinear, the intercept is the weight of a constant feature of this value and is
    regularised like the others; with None it is not regularised. L-BFGS ends where the largest derivative is below
    ``tolerance`` of that at W = 0 (float32 supports about 1e-4), or logs a warning after ``max_steps``. It begins at
    ``start``, such as the classifier of a smaller ``c``. ``chunk`` rows are moved to the device at once.
    """
    width = features.shape[1]
    classes = int(torch.as_tensor(labels).max()) + 1 if classes is None else classes
    scale = 1.0 if intercept_scaling is None else intercept_scaling
    # One row per class: BLAS computes this gradient seven times as fast as with one column per class.
    weights = torch.zeros(classes, width + 1, dtype=dtype, device=device)
    target = torch.as_tensor(labels).to(weights.device).long()
    first: list[float] = []

    def measure() -> Tensor:
        """Return the objective, in float64, and leave its gradient in ``weights.grad``."""
        gradient = weights.clone()
        kept = weights if intercept_scaling is not None else weights[:, :width]
        if intercept_scaling is None:
            gradient[:, width] = 0
        total = kept.double().square().sum() / 2
        for place, piece in pieces(features, weights, chunk):
            value, slope = loss(linear(piece, weights[:, :width], scale * weights[:, width]), target[place])
            total += c * value.double()
            gradient[:, :width].addmm_(slope.T, piece, alpha=c)
            gradient[:, width] += c * scale * slope.sum(dim=0)
        weights.grad = gradient
        if not first:
            first.append(gradient.abs().max().item())
        return total

    measure()
    limit = tolerance * first[0]
    if start is not None:
        weights[:, :width], weights[:, width] = start.weights.T.to(weights), start.intercepts.to(weights) / scale
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=max_steps,
        max_eval=2 * max_steps,
        tolerance_grad=limit,
        tolerance_change=0.0,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )
    with torch.no_grad():
        optimizer.step(measure)  # type: ignore[arg-type]
        steps = optimizer.state[weights]["n_iter"]
        objective = measure().item()
    assert weights.grad is not None
    reached = weights.grad.abs().max().item()
    if reached > limit:
        message = "the classifier did not converge in %d steps: its largest derivative is %.1e of the initial one"
        log.warning(message, steps, reached / max(first[0], 1e-300))
    return Linear(weights[:, :width].T, scale * weights[:, width], reached <= limit, steps, objective)


@dataclass(frozen=True)
class Choice:
    """A classifier chosen by validation."""

    classifier: Linear  # the best one, of the smallest C among equals
    c: float  # its C
    errors: dict[float, float]  # validation error, 0..1, by C


def choose(
    fit: Callable[..., Linear],
    train: tuple[Matrix, Any],
    held_out: tuple[Matrix, Any],
    grid: Sequence[float],
    **options: Any,
) -> Choice:
    """Return the classifier of the C with the smallest error on held-out features and labels.

    C grows, and each fit starts from the one before. ``fit`` takes features, labels, C and the options. An empty grid
    raises ``ValueError``.
    """
    if not grid:
        raise ValueError("the grid of C is empty: give at least one value")
    fitted: dict[float, Linear] = {}
    options.setdefault("classes", int(torch.as_tensor(train[1]).max()) + 1)
    last: Linear | None = None
    for c in sorted(grid):
        last = fitted[c] = fit(*train, c, start=last, **options)
    errors = {c: 1 - classifier.accuracy(*held_out) for c, classifier in fitted.items()}
    best = min(errors, key=lambda c: errors[c])
    return Choice(fitted[best], best, errors)
