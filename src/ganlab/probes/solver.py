"""Linear classifiers on more features than liblinear can hold: L-BFGS in torch, the data read in pieces.

Minimises |W|^2 / 2 + C * sum over examples of a loss of their scores, as scikit-learn's linear classifiers do.
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

CHUNK = 4096  # examples that are on the device together
HISTORY = 10  # pairs that L-BFGS keeps, as scipy does
Matrix = np.ndarray | Tensor  # (N, features), in memory, memory-mapped or on a device
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # of scores (n, K) and classes (n,): its sum, its derivative


@dataclass(frozen=True)
class Linear:
    """A linear classifier.

    Attributes:
        weights: (features, K).
        intercepts: (K,).
        converged: whether the gradient became as small as asked.
        steps: of the solver.
        objective: that was reached.
    """

    weights: Tensor
    intercepts: Tensor
    converged: bool
    steps: int
    objective: float

    def scores(self, features: Matrix, chunk: int = CHUNK) -> Tensor:
        """Return the scores (N, K) of features (N, features), on the classifier's device."""
        return torch.cat([piece @ self.weights + self.intercepts for _, piece in pieces(features, self.weights, chunk)])

    def predict(self, features: Matrix) -> Tensor:
        """Return the class (N,) with the highest score."""
        return self.scores(features).argmax(dim=1)

    def accuracy(self, features: Matrix, labels: Any) -> float:
        """Return the share of right answers for labels (N,)."""
        return (self.predict(features) == torch.as_tensor(labels).to(self.weights.device)).double().mean().item()


def pieces(features: Matrix, like: Tensor, chunk: int = CHUNK) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows with their places, each piece on the device and of the type of ``like``."""
    for start in range(0, len(features), chunk):
        place = slice(start, min(start + chunk, len(features)))
        part = features[place]
        if isinstance(part, np.ndarray):  # a copy where torch would warn that it could be written to
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
    """Return the classifier with the least |W|^2 / 2 + c * loss.

    Args:
        features: (N, features), float32 or float64; of them only ``chunk`` rows are converted at a time.
        labels: classes (N,), from 0 on.
        loss: of scores and classes; see ``Loss``. Convex and differentiable.
        c: weight of the loss against |W|^2 / 2, as in scikit-learn.
        classes: how many there are; None: as the labels tell.
        intercept_scaling: liblinear's: the intercept is the weight of a feature that is always this, and is held small
            like any other. None: the intercept is free.
        tolerance: of the largest derivative, relative to that at the start from 0.
        max_steps: of L-BFGS; a warning says where they did not suffice.
        dtype: in which it is computed. float32 is good for a tolerance of about 1e-4.
        device: where it is computed.
        start: a classifier to start from, such as one of a smaller ``c``.
        chunk: rows that are converted together.
    """
    width = features.shape[1]
    classes = int(torch.as_tensor(labels).max()) + 1 if classes is None else classes
    scale = 1.0 if intercept_scaling is None else intercept_scaling
    # A row a class: BLAS forms this gradient seven times as fast as that of a column a class.
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
        message = "the classifier is not at its optimum after %d steps: its largest derivative is %.1e of the first"
        log.warning(message, steps, reached / max(first[0], 1e-300))
    return Linear(weights[:, :width].T, scale * weights[:, width], reached <= limit, steps, objective)


@dataclass(frozen=True)
class Choice:
    """A classifier chosen by validation.

    Attributes:
        classifier: the best, of the smallest C where several are.
        c: its C.
        errors: share of wrong answers on the validation set by C.
    """

    classifier: Linear
    c: float
    errors: dict[float, float]


def choose(
    fit: Callable[..., Linear],
    train: tuple[Matrix, Any],
    held_out: tuple[Matrix, Any],
    grid: Sequence[float],
    **options: Any,
) -> Choice:
    """Return the classifier of the C that errs least on features and labels held out.

    From the smallest C on, each starts from the one before. ``fit`` takes features, labels, C and the options.

    Raises:
        ValueError: the grid is empty.
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
