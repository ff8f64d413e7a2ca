"""The troubles of GANs by name, each a rule over what was measured while training.

The challenges that lectures on GANs list, non-convergence, oscillation, mode collapse and vanishing gradients, and
numbers that are no longer finite. Every rule looks at the history of one or two signals and returns a plain sentence
when it trips, else None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import Annotated

import torch
from torch import Tensor

from ganlab.arguments import Share, Within, checked

LOGS = 3  # successive logs that a gradient must stay away
SNAPSHOTS = 6  # that oscillation is judged by
WINS = 0.99  # of the (real, fake) pairs ranked right: the discriminator is said to win


@checked
@dataclass(frozen=True)
class Thresholds:
    """When each alarm trips, see `conf/diagnostics/default.yaml`; all but ``worse`` are shares, 0 to 1."""

    worse: Annotated[float, Within(1)]
    swing: Share
    diversity: Share
    coverage: Share
    vanished: Share


def not_converging(
    scores: Sequence[float], untrained: float | None, accuracy: float | None, name: str, limits: Thresholds
) -> str | None:
    """Non-convergence: the score, lower is better, is far above its best, or never left that of the untrained network.

    Args:
        scores: by measurement, those of trained networks alone.
        untrained: that of the network before its first step, if it was measured.
        accuracy: share of (real, fake) pairs that the discriminator ranks right now. Near 1 is no trouble by itself,
            as long as samples get better; it may be why they do not.
        name: of the score.
        limits: ``worse`` counts.
    """
    if len(scores) < 3 or not all(map(isfinite, scores)):
        return None
    cause = f"; the discriminator ranks {accuracy:.1%} of (real, fake) pairs right" if (accuracy or 0) >= WINS else ""
    mend = "optimizer.lr, penalty=[r1]"
    if untrained is not None and min(scores) > 0.9 * untrained:
        return (
            f"non-convergence: {name} is {min(scores):.4g} at best, and was {untrained:.4g} before training{cause}; "
            f"try another {mend}"
        )
    if min(scores[-2:]) < limits.worse * min(scores[:-2]):
        return None
    return (
        f"non-convergence: {name} is {scores[-1]:.4g} and was {min(scores):.4g} before{cause}; checkpoints/best.ckpt "
        f"holds that state; try a lower {mend} or ema.half_life=5000"
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


def collapsed(diversity: Sequence[float], coverage: Sequence[float | None], limits: Thresholds) -> str | None:
    """Mode collapse: samples are all alike, or miss most classes, at two successive looks, and it gets no better.

    A network that begins with nearly equal samples, as the original GAN's does, and draws them apart has not collapsed.

    ``diversity``: mean dissimilarity of two samples (1 - MS-SSIM) over that of two real images. ``coverage``: share of
    the classes that a classifier finds among the samples, None for a look at which it was not sure enough to tell.
    """
    seen = [share for share in coverage[-2:] if share is not None]
    if len(diversity) >= 2 and diversity[-1] <= diversity[-2] < limits.diversity:
        found = f"samples differ from each other {diversity[-1]:.0%} as much as real images do"
    elif len(seen) == 2 and seen[1] <= seen[0] <= limits.coverage:
        found = f"only {seen[-1]:.0%} of the classes occur among the samples"
    else:
        return None
    return (
        f"mode collapse: {found}; try update.g_steps=1, a lower beta1 (optimizer.betas=[0,0.99]), penalty=[r1], or an "
        f"earlier checkpoint"
    )


def vanished(slope: Sequence[float], limits: Thresholds) -> str | None:
    """Vanishing gradient: the generator's loss no longer depends on what the discriminator says, three logs long.

    ``slope``: by log, the mean absolute derivative of the generator's loss of a fake by that fake's logit. It is what
    the loss itself leaves of the gradient, whatever the scale of the weights: 1 - p for the non-saturating loss and p
    for the saturating one, where p is the probability that the discriminator gives the fake.
    """
    last = slope[-LOGS:]
    if len(last) < LOGS or max(last) > limits.vanished:
        return None
    return (
        f"vanishing gradient: the slope of the generator's loss is {last[-1]:.2g}, it hardly feels the discriminator; "
        f"try objective=non_saturating, penalty=[r1] or a lower optimizer.discriminator.lr"
    )


def not_finite(terms: Sequence[str], minibatch: int, images: int) -> str:
    """NaN or infinity: the names of such ``terms`` and the minibatch (counted from 1) that was the first."""
    return (
        f"{' and '.join(terms)} not finite since minibatch {minibatch:,} (noticed after {images:,} images); lower "
        f"optimizer.lr or set optimizer.clip_norm"
    )
