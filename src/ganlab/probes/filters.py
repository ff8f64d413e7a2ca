"""Forgetting to draw one kind of thing: feature maps of a generator that draw it are found and dropped (sec. 6.3.1).

In samples boxes are drawn around windows. On the features of the second highest convolution layer, a logistic
regression tells positions inside boxes from others of the same samples; all maps of positive weight are dropped from
all positions. Here layers are counted from the image down, without the one that makes the image: the paper drops 200
maps, more than the 128 of the highest, and 256 are in the second highest (`counted_down`).

Images are to be drawn with fixed statistics of batch norm, ``running`` or ``standing``: those of the batch would depend
on the batch mates, and would scale what is left after dropping back up.
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


def counted_down(generator: nn.Module, number: int, *inputs: Tensor) -> Layer:
    """Return a convolutional layer, counted from the one below the image: 2 is the paper's, 256 maps of 16x16.

    Raises:
        ValueError: the generator has too few, or ``number`` is not 1 or more.
    """
    layers = find_layers(generator, *inputs)
    if not 1 <= number < len(layers):
        raise ValueError(f"{len(layers)} convolutional layers, and {number} was to be counted down from the image's")
    return layers[-1 - number]


@dataclass(frozen=True)
class Regression:
    """Which maps draw what stands in the boxes.

    Attributes:
        weights: of each map (C,).
        c: chosen by validation.
        accuracy: share of right answers on positions of samples held out, half of which are inside boxes.
        inside: number of positions inside boxes.
    """

    weights: np.ndarray
    c: float
    accuracy: float
    inside: int

    @property
    def positive(self) -> list[int]:
        """The maps of positive weight, which the paper drops."""
        return np.flatnonzero(self.weights > 0).tolist()

    def strongest(self, count: int) -> list[int]:
        """Return the ``count`` maps of the largest weights."""
        return np.argsort(-self.weights)[:count].tolist()


def positions(maps: Tensor, boxes: Boxes, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (P, C), whether inside a box (P,), and the sample (P,), of positions in samples with boxes.

    All positions with their centres inside a box, and as many random ones outside, of the same samples.

    Args:
        maps: of all samples, (N, C, H, W).
        boxes: of some samples.
        rng: draws the positions outside.
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
    """Fit a logistic regression of "inside a box" on the maps at single positions, C chosen on samples held out.

    Args:
        maps: features of all samples (N, C, H, W); each map is scaled to a deviation of 1, which changes no sign.
        boxes: by number of the sample; four samples or more.
        seed: of the positions outside boxes and of who is held out.
        grid: of C.

    Raises:
        ValueError: too few samples have boxes, or boxes are too small to hold the centre of a position.
    """
    if len(boxes) < 4:
        raise ValueError(f"{len(boxes)} samples have boxes: draw some in at least 4")
    rng = np.random.default_rng(seed)
    features, inside, samples = positions(maps, boxes, rng)
    held = np.isin(samples, rng.permutation(sorted(boxes))[: max(1, round(HELD_OUT * len(boxes)))])
    if min(inside[held].sum(), inside[~held].sum()) == 0:
        raise ValueError(
            f"the boxes hold {inside.sum()} positions of the {maps.shape[2]}x{maps.shape[3]} maps, too few to learn "
            f"from: draw more or larger boxes"
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
def dropping(generator: nn.Module, layer: Layer, maps: Sequence[int]) -> Iterator[None]:
    """Set these maps of the layer to 0 at all positions whenever the generator runs within the block."""
    chosen = list(maps)

    def drop(_: Layer, values: Tensor) -> Tensor:
        kept = torch.ones(values.shape[1], dtype=values.dtype, device=values.device)
        kept[chosen] = 0
        return values * kept[:, None, None]

    with tapped(generator, [layer], drop):
        yield


@dataclass(frozen=True)
class Forgetting:
    """What dropping maps did to samples, by a judge that names the thing at each pixel.

    Attributes:
        gone: share of the samples that showed the thing (at least ``least`` of their pixels) and show it no more.
        area: share of the thing's pixels that are something else afterwards, in those samples; negative if they grew.
        others: mean over the other kinds of 1 - (pixels of the kind before and after) / (before or after): 0 if nothing
            else changed. Pixels that were the thing before are left out: there something else has to be.
        by_kind: the same of each kind that occurs.
        showing: number of samples that showed the thing.
    """

    gone: float
    area: float
    others: float
    by_kind: dict[int, float]
    showing: int


def compare(before: np.ndarray, after: np.ndarray, kinds: Sequence[int], least: float = 0.005) -> Forgetting:
    """Score a dropping by masks of the same samples before and after.

    Args:
        before: number of the thing at each pixel, (N, H, W).
        after: of the same latents with maps dropped.
        kinds: numbers of what is to be gone.
        least: share of a sample's pixels from which on it shows the thing.

    Raises:
        ValueError: no sample shows the thing.
    """
    was, is_now = np.isin(before, kinds), np.isin(after, kinds)
    showing = was.mean((1, 2)) >= least
    if not showing.any():
        raise ValueError(f"none of {len(before)} samples shows the thing before anything is dropped: take more samples")
    gone = (is_now[showing].mean((1, 2)) < least).mean()
    area = 1 - is_now[showing].sum() / was[showing].sum()
    by_kind = {}
    for kind in np.setdiff1d(np.unique(before), kinds).tolist():
        first, second = (before == kind) & ~was, (after == kind) & ~was
        by_kind[kind] = float(1 - (first & second).sum() / max((first | second).sum(), 1))
    others = float(np.mean(list(by_kind.values()))) if by_kind else 0.0
    return Forgetting(float(gone), float(area), others, by_kind, int(showing.sum()))


def against_random(
    score: Callable[[list[int]], Forgetting], maps: int, dropped: list[int], draws: int, seed: int = 0
) -> tuple[Forgetting, list[Forgetting]]:
    """Return the score of dropping maps, and of dropping as many random ones of the layer, ``draws`` times.

    Args:
        score: draws samples without the maps that it is given and compares them.
        maps: number of maps of the layer.
        dropped: the maps that are to draw the thing.
        draws: random choices.
        seed: of them.
    """
    rng = np.random.default_rng(seed)
    others = [rng.choice(maps, len(dropped), replace=False).tolist() for _ in range(draws)]
    return score(dropped), [score(choice) for choice in others]
