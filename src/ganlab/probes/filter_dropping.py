"""Dropping the generator's filters that draw one kind of object (paper sec. 6.3.1, figure 6).

Boxes are drawn around windows in samples. On the features of the second highest convolutional layer, a logistic
regression separates positions inside boxes from others of the same samples, and all channels of positive weight are set
to zero. We count layers down from the image, without the one that outputs it (`layer_from_top`): the paper drops 200
channels, which are more than the 128 of the highest layer and fit the 256 of the second highest.

Sample with fixed batch-norm statistics, ``running`` or ``standing``. Those of the batch depend on the batch mates, and
would rescale what is left after dropping.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from ganlab.probes.boxes import Boxes, cells_inside
from ganlab.probes.layers import Layer, find_layers, tapped

GRID = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0)  # of C, lib/metrics.py of the authors
HELD_OUT = 0.25  # of the samples with boxes, to choose C


def layer_from_top(generator: nn.Module, number: int, *inputs: Tensor) -> Layer:
    """Return a convolutional layer, counted down from the one below the image: 2 is the paper's, of 256 channels."""
    layers = find_layers(generator, *inputs)
    if not 1 <= number < len(layers):
        count = len(layers) - 1
        raise ValueError(
            f"layer={number} does not exist: the generator has {count} convolutional layers below the image"
        )
    return layers[-1 - number]


@dataclass(frozen=True)
class Regression:
    """A logistic regression of "inside a box" on the channels of a layer."""

    weights: np.ndarray  # of each channel (C,)
    c: float  # chosen by validation
    accuracy: float  # on positions of held-out samples, half of which are inside boxes
    inside: int  # number of positions inside boxes

    @property
    def positive(self) -> list[int]:
        return np.flatnonzero(self.weights > 0).tolist()

    def strongest(self, count: int) -> list[int]:
        """Return the ``count`` channels of the largest weights."""
        return np.argsort(-self.weights)[:count].tolist()


def positions(maps: Tensor, boxes: Boxes, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (P, C), whether inside a box (P,), and the sample (P,), of positions in samples with boxes.

    Per sample: all positions of the feature maps (N, C, H, W) with centres inside a box, and equally many random
    others.
    """
    features, inside, samples = [], [], []
    for number in sorted(boxes):
        cells = cells_inside(boxes[number], *maps.shape[2:]).flatten().numpy()
        own, others = np.flatnonzero(cells), np.flatnonzero(~cells)
        others = rng.choice(others, min(len(own), len(others)), replace=False)
        chosen = np.concatenate([own, others])
        features.append(maps[number].flatten(1).T.cpu().numpy()[chosen])
        inside.append(cells[chosen])
        samples.append(np.full(len(chosen), number))
    return np.concatenate(features), np.concatenate(inside), np.concatenate(samples)


def regress(maps: Tensor, boxes: Boxes, seed: int = 0, grid: Sequence[float] = GRID) -> Regression:
    """Fit the regression of "inside a box" on the features at single positions, C chosen on held-out samples.

    ``maps`` are the features of all samples (N, C, H, W); channels are scaled to a deviation of 1, which keeps the
    signs. Raises ``ValueError`` for fewer than four samples with boxes, or boxes too small to contain the centre of a
    position.
    """
    if len(boxes) < 4:
        raise ValueError(f"{len(boxes)} samples have boxes: draw some in at least 4")
    rng = np.random.default_rng(seed)
    features, inside, samples = positions(maps, boxes, rng)
    held = np.isin(samples, rng.permutation(sorted(boxes))[: max(1, round(HELD_OUT * len(boxes)))])
    if min(inside[held].sum(), inside[~held].sum()) == 0:
        raise ValueError(
            f"the boxes contain {inside.sum()} positions of the {maps.shape[2]}x{maps.shape[3]} feature maps, too few "
            "to learn from: draw more or larger boxes"
        )
    features = features / np.maximum(features.std(axis=0), 1e-12)
    accuracies = {}
    for c in grid:
        model = LogisticRegression(C=c, max_iter=1000).fit(features[~held], inside[~held])
        accuracies[c] = model.score(features[held], inside[held])
    best = max(accuracies, key=lambda c: accuracies[c])  # the smallest of the best
    model = LogisticRegression(C=best, max_iter=1000).fit(features, inside)
    return Regression(model.coef_[0], best, accuracies[best], int(inside.sum()))


@contextmanager
def dropping(generator: nn.Module, layer: Layer, channels: Sequence[int]) -> Iterator[None]:
    """Set these channels of the layer to 0 at all positions whenever the generator runs within the block."""
    chosen = list(channels)

    def drop(_: Layer, values: Tensor) -> Tensor:
        kept = torch.ones(values.shape[1], dtype=values.dtype, device=values.device)
        kept[chosen] = 0
        return values * kept[:, None, None]

    with tapped(generator, [layer], drop):
        yield


@dataclass(frozen=True)
class DropScore:
    """The effect of dropping channels, measured on segmented samples."""

    gone: float  # share of the samples that showed the object (at least ``least`` of their pixels) and no longer do
    area: float  # share of the object's pixels that became something else in those samples; negative if they grew
    # mean over the other classes of 1 - IoU of the class before and after, 0 if nothing else changed. Pixels that
    # were the object before are left out, because something else has to appear there
    others: float
    by_class: dict[int, float]  # the same for each class that occurs
    showing: int  # number of samples that showed the object


def compare(before: np.ndarray, after: np.ndarray, classes: Sequence[int], least: float = 0.005) -> DropScore:
    """Score a drop by segmentation masks (N, H, W) of the same samples before and after.

    A sample shows the object if a share ``least`` of its pixels has one of the object's ``classes``; ``ValueError`` if
    none does.
    """
    was, is_now = np.isin(before, classes), np.isin(after, classes)
    showing = was.mean((1, 2)) >= least
    if not showing.any():
        raise ValueError(f"none of {len(before)} samples shows the object before channels are dropped: take more")
    gone = (is_now[showing].mean((1, 2)) < least).mean()
    area = 1 - is_now[showing].sum() / was[showing].sum()
    by_class = {}
    for other in np.setdiff1d(np.unique(before), classes).tolist():
        first, second = (before == other) & ~was, (after == other) & ~was
        by_class[other] = float(1 - (first & second).sum() / max((first | second).sum(), 1))
    others = float(np.mean(list(by_class.values()))) if by_class else 0.0
    return DropScore(float(gone), float(area), others, by_class, int(showing.sum()))


def against_random(
    score: Callable[[list[int]], DropScore], channels: int, dropped: list[int], draws: int, seed: int = 0
) -> tuple[DropScore, list[DropScore]]:
    """Return ``score(dropped)`` and the scores of dropping as many random channels of the layer, ``draws`` times."""
    rng = np.random.default_rng(seed)
    others = [rng.choice(channels, len(dropped), replace=False).tolist() for _ in range(draws)]
    return score(dropped), [score(choice) for choice in others]
