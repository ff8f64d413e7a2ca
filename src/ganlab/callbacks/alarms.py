"""The troubles of GANs by name, each a rule over what was measured while training.

The challenges that lectures on GANs list, non-convergence, oscillation, mode collapse and vanishing gradients, and
numbers that are no longer finite. Every rule looks at the history of one or two signals and returns a plain sentence
when it trips, else None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor

LOGS = 5  # successive logs that a losing generator must stay hopeless
SNAPSHOTS = 6  # that oscillation is judged by
REMEMBERED = 32  # last values of every signal


@dataclass(frozen=True)
class Thresholds:
    """When each alarm trips, see `conf/diagnostics/default.yaml`."""

    wins: float
    worse: float
    swing: float
    diversity: float
    coverage: float
    vanished: float


def discriminator_wins(accuracy: Sequence[float], limits: Thresholds) -> str | None:
    """Non-convergence: the discriminator tells all fakes from all reals, log after log.

    ``accuracy``: share of (real, fake) pairs that it ranks right, 0.5 for guesses, by log.
    """
    last = accuracy[-LOGS:]
    if len(last) < LOGS or min(last) < limits.wins:
        return None
    return (
        f"non-convergence: the discriminator tells {min(last):.1%} of fakes from reals, and the generator does not "
        f"catch up; try penalty=[r1], or a lower optimizer.discriminator.lr"
    )


def falls_back(scores: Sequence[float], name: str, limits: Thresholds) -> str | None:
    """Non-convergence: the score, lower is better, is far above its best, or never left that of the untrained network.

    ``scores``: by measurement, the untrained generator's first.
    """
    trained = scores[1:]
    if len(trained) >= 3 and min(trained) > 0.9 * scores[0]:
        return (
            f"non-convergence: {name} is {min(trained):.4g} at best, and was {scores[0]:.4g} before training; try "
            f"another optimizer.lr"
        )
    if len(trained) < 3 or min(trained[-2:]) < limits.worse * min(trained[:-2]):
        return None
    return (
        f"non-convergence: {name} is {trained[-1]:.4g} and was {min(trained):.4g} before; checkpoints/best.ckpt holds "
        f"that state; try a lower optimizer.lr, penalty=[r1] or ema.half_life=5000"
    )


def oscillates(snapshots: Sequence[Tensor], limits: Thresholds) -> str | None:
    """Oscillation: what is drawn moves far between looks, but gets nowhere.

    ``snapshots``: the mean of the same latents' samples, flat, in units of the real images' deviation from their mean.
    """
    last = snapshots[-SNAPSHOTS:]
    if len(last) < SNAPSHOTS:
        return None
    steps = [float(torch.dist(before, after)) for before, after in pairwise(last)]
    if min(steps) < limits.swing or float(torch.dist(last[0], last[-1])) > sum(steps) / 2:
        return None
    return (
        f"oscillation: the mean sample moves to and fro, by {median(steps):.2g} of the real images' deviation from one "
        f"look to the next; try a lower optimizer.lr, ema.half_life=5000, or batch norm not on all layers"
    )


def collapsed(diversity: Sequence[float], coverage: Sequence[float], limits: Thresholds) -> str | None:
    """Mode collapse: samples are all alike, or miss most classes, at two successive looks.

    ``diversity``: mean dissimilarity of two samples (1 - MS-SSIM) over that of two real images. ``coverage``: share of
    the classes that a classifier finds among the samples; empty without one.
    """
    if len(diversity) >= 2 and max(diversity[-2:]) < limits.diversity:
        found = f"samples differ from each other {diversity[-1]:.0%} as much as real images do"
    elif len(coverage) >= 2 and max(coverage[-2:]) <= limits.coverage:
        found = f"only {coverage[-1]:.0%} of the classes occur among the samples"
    else:
        return None
    return f"mode collapse: {found}; try as many steps of D as of G, a lower beta1, or an earlier checkpoint"


def vanished(gradient: Sequence[float], limits: Thresholds) -> str | None:
    """Vanishing gradient: the generator's is a tiny share of what it was at first, three logs long.

    ``gradient``: its norm by log, the untrained networks' first.
    """
    if len(gradient) < 4 or max(gradient[-3:]) > limits.vanished * gradient[0]:
        return None
    return (
        f"vanishing gradient: the generator's is {gradient[-1]:.2g}, {gradient[-1] / gradient[0]:.1e} of what it was "
        f"at first; try objective=non_saturating, penalty=[r1] or a lower optimizer.discriminator.lr"
    )


def not_finite(terms: Sequence[str], minibatch: int, images: int) -> str:
    """NaN or infinity: the names of such ``terms`` and the minibatch (counted from 1) that was the first."""
    return (
        f"{' and '.join(terms)} not finite since minibatch {minibatch:,} (noticed after {images:,} images); lower "
        f"optimizer.lr or set optimizer.clip_norm"
    )
