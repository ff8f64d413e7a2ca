"""Alarms: rules that detect non-convergence, oscillation, mode collapse, vanishing gradients and non-finite numbers.

Of unpaired translations also that they are negatives of their inputs, or do not change.

Each rule takes the history of one or two signals and returns a message when it trips, else None.
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

LOGS = 3  # successive logs with a vanished gradient
SNAPSHOTS = 6  # last measurements that oscillation is detected in
NEGATIVE = -0.8  # correlation of a translation with its input from which it is the negative
STILL, UNMOVED = 4, 0.02  # measurements, and distances of mean translations between them that are no change
FALLEN = 0.8  # share of the cycle loss that is left when it has fallen
WINS = 0.99  # share of (real, fake) pairs ranked correctly from which messages name the discriminator


@checked
@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the alarms, see `conf/diagnostics/default.yaml`."""

    worse: Annotated[float, Within(1)]
    swing: Share
    diversity: Share
    coverage: Share
    vanished: Share


def not_converging(
    scores: Sequence[float], untrained: float | None, accuracy: float | None, name: str, limits: Thresholds
) -> str | None:
    """Non-convergence: the score, lower is better, is far above its best, or never fell below the untrained network's.

    ``accuracy``, the share of (real, fake) pairs that the discriminator ranks correctly, is a likely cause near 1, but
    no trouble by itself while samples improve. ``untrained`` is None if it was not measured.
    """
    if len(scores) < 3 or not all(map(isfinite, scores)):
        return None
    cause = f"; the discriminator ranks {accuracy:.1%} of (real, fake) pairs right" if (accuracy or 0) >= WINS else ""
    fixes = "optimizer.lr, penalty=[r1]"
    if untrained is not None and min(scores) > 0.9 * untrained:
        return (
            f"non-convergence: {name} is {min(scores):.4g} at best, and was {untrained:.4g} before training{cause}; "
            f"try another {fixes}"
        )
    if min(scores[-2:]) < limits.worse * min(scores[:-2]):
        return None
    return (
        f"non-convergence: {name} is {scores[-1]:.4g} and was {min(scores):.4g} before{cause}; checkpoints/best.ckpt "
        f"holds that state; try a lower {fixes} or ema.half_life=5000"
    )


def oscillates(snapshots: Sequence[Tensor], limits: Thresholds) -> str | None:
    """Oscillation: the mean sample moves far between measurements, but little in total.

    ``snapshots``: mean samples of the same latents, flat, in units of the real images' deviation from their mean.
    """
    last = snapshots[-SNAPSHOTS:]
    if len(last) < SNAPSHOTS:
        return None
    steps = [float(torch.dist(before, after)) for before, after in pairwise(last)]
    if min(steps) < limits.swing or float(torch.dist(last[0], last[-1])) > sum(steps) / 2:
        return None
    return (
        f"oscillation: the mean sample moves back and forth, by {median(steps):.2g} of the real images' deviation per "
        f"measurement; try a lower optimizer.lr, ema.half_life=5000, or no batch norm at the image"
    )


def collapsed(diversity: Sequence[float], coverage: Sequence[float | None], limits: Thresholds) -> str | None:
    """Mode collapse: samples are too similar, or miss most classes, at two successive measurements without improving.

    Networks whose first samples are nearly equal, such as the original GAN's, have not collapsed while these diverge.

    ``diversity``: mean dissimilarity (1 - MS-SSIM) of two samples over that of two real images. ``coverage``: share of
    the classes that a classifier finds among the samples, None where it was not confident enough.
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


def inverted(correlation: Sequence[float]) -> str | None:
    """Inversion: translations are negatives of their inputs at two successive measurements; a cycle permits that.

    ``correlation``: of the pixels of an input and its translation, the mean over pictures.
    """
    if len(correlation) < 2 or max(correlation[-2:]) > NEGATIVE:
        return None
    return (
        f"inversion: translations are negatives of their inputs, with a correlation of {correlation[-1]:.2f}; try "
        f"another seed, or a larger system.identity"
    )


def idle(snapshots: Sequence[Tensor], cycle: Sequence[float]) -> str | None:
    """Idle translations: the cycle loss falls, and the translations do not change.

    ``snapshots``: as of `oscillates`; ``cycle``: the cycle loss at the same measurements.
    """
    if min(len(snapshots), len(cycle)) < STILL or cycle[-1] > FALLEN * cycle[-STILL]:
        return None
    if max(float(torch.dist(before, after)) for before, after in pairwise(snapshots[-STILL:])) > UNMOVED:
        return None
    return (
        f"idle translation: the cycle loss fell from {cycle[-STILL]:.3g} to {cycle[-1]:.3g} while translations stayed "
        f"the same, perhaps as their inputs; try a lower system.weights.cycle or system.identity"
    )


def vanished(slope: Sequence[float], limits: Thresholds) -> str | None:
    """Vanishing gradient: the generator's loss hardly depends on the logits at three successive logs.

    ``slope``: by log, its mean absolute derivative with respect to a fake's logit, whatever the scale of the weights:
    1 - p for the non-saturating loss and p for the saturating one, where p is D's probability that the fake is real.
    """
    last = slope[-LOGS:]
    if len(last) < LOGS or max(last) > limits.vanished:
        return None
    return (
        f"vanishing gradient: the generator's loss has a slope of only {last[-1]:.2g} with respect to the logits; "
        f"try objective=non_saturating, penalty=[r1] or a lower optimizer.discriminator.lr"
    )


def not_finite(terms: Sequence[str], minibatch: int, images: int) -> str:
    """Non-finite numbers: names of the terms, and the first such minibatch, counted from 1."""
    return (
        f"{' and '.join(terms)} not finite since minibatch {minibatch:,} (noticed after {images:,} images); lower "
        f"optimizer.lr or set optimizer.clip_norm"
    )
