"""What the procedural sets share: drawing factors by seed and index, and sources of rendered pictures."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganlab.data.drawn.drawing import Shape, bounds, paint
from ganlab.data.packs.source import Arrays, NoSuchSplitError, Record, Source
from ganlab.errors import UserError

SPLITS = {"train": 0, "test": 1}
UNSEEN = -1  # label of what a picture does not show, such as the colour of an absent bed


@dataclass(frozen=True)
class Rendered:
    """One picture and the truth about it.

    image: uint8 (size,size,3). labels: int64 (A,), UNSEEN where the picture does not show the attribute.
    factors: float32 (F,) in -1..1. boxes: float32 (K,4), x0,y0,x1,y1 in units of the image side around the visible
    pixels of each object, zeros where none is. masks: uint8 (size,size), the number of the front-most thing.
    """

    image: np.ndarray
    labels: np.ndarray
    factors: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray


def draw(
    values: Mapping[str, Mapping[str, float]], factors: Sequence[str], seed: int, split: str, index: int
) -> dict[str, Any]:
    """Draw every label by its probabilities and every factor uniformly from -1..1, all independently.

    Raises:
        UserError: a split that is not known, or a seed that is none.
    """
    if split not in SPLITS:
        raise NoSuchSplitError(f"data.split={split} is not known: take one of {', '.join(SPLITS)}")
    if not 0 <= seed < 2**32:  # longer seeds would share their words with the split and the index
        raise UserError(f"data.seed={seed} is not possible: take a whole number from 0 to 4294967295")
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, SPLITS[split], index))))
    numbers = generator.random(len(values) + len(factors)).tolist()
    drawn: dict[str, Any] = {}
    for name, number in zip(values, numbers, strict=False):
        for value, probability in values[name].items():
            drawn[name] = value
            number -= probability
            if number < 0:
                break
    drawn.update((name, 2 * number - 1) for name, number in zip(factors, numbers[len(values) :], strict=True))
    return drawn


def render(
    shapes: Sequence[Shape],
    size: int,
    labels: Sequence[int],
    factors: Sequence[float],
    objects: Sequence[str],
    kinds: Sequence[str],
) -> Rendered:
    """Paint ``shapes`` and measure the boxes of ``objects``, each named in ``kinds``."""
    image, mask = paint(shapes, size)
    boxes = [bounds(mask, kinds.index(name)) for name in objects]
    return Rendered(
        image,
        np.array(labels, np.int64),
        np.array(factors, np.float32),
        np.array(boxes, np.float32).reshape(len(objects), 4),
        mask,
    )


class Procedural(Source):
    """Pictures rendered on demand: number ``index`` is a pure function of the seed, the split and ``index``."""

    renderer: int  # raised with every change of a pixel, so that packs are built anew
    labels: Mapping[str, Sequence[str]]
    modes: Sequence[str]  # labels whose combinations a generator is to reach: they are plain to see, and few
    factors: Sequence[str]
    objects: Sequence[str]
    kinds: Sequence[str]

    def __init__(self, count: int, image_size: int, seed: int, split: str) -> None:
        if not isinstance(count, int) or count < 1:
            raise UserError(f"data.count={count} is no number of pictures: take 1 or more")
        if image_size < 8:
            raise UserError(f"data.image_size={image_size} is too small to show anything: take 8 or more")
        self.count, self.image_size, self.seed, self.split = count, image_size, seed, split
        self.name = f"{self.content}-{split}"
        self.render(0)  # a seed or a split that cannot be is told here

    @abstractmethod
    def render(self, index: int) -> Rendered:
        """Return picture ``index`` with its truth."""

    @property
    def extras(self) -> Arrays:
        """Type and shape of what belongs to every picture."""
        return {
            "labels": ("int64", (len(self.labels),)),
            "factors": ("float32", (len(self.factors),)),
            "boxes": ("float32", (len(self.objects), 4)),
            "masks": ("uint8", (self.image_size, self.image_size)),
        }

    def notes(self) -> dict[str, Any]:
        """Return what the numbers in the arrays mean."""
        return {
            "labels": {name: list(values) for name, values in self.labels.items()},
            "unseen_label": UNSEEN,
            "modes": list(self.modes),
            "factors": list(self.factors),
            "objects": list(self.objects),
            "mask_kinds": list(self.kinds),
        }

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides every pixel."""
        return {
            "set": self.content,
            "renderer": self.renderer,
            "count": self.count,
            "image_size": self.image_size,
            "seed": self.seed,
            "split": self.split,
        }

    def read(self, index: int) -> Record:
        """Return picture ``index`` (uint8, image_size x image_size x 3) and its labels, factors, boxes and masks."""
        truth = self.render(index)
        return {
            "images": truth.image,
            "labels": truth.labels,
            "factors": truth.factors,
            "boxes": truth.boxes,
            "masks": truth.masks,
        }
