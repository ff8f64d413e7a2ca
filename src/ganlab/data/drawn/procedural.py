"""Base of the drawn data sets: random factors by seed and index, and a source of rendered pictures."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ganlab.arguments import Count, Natural, Within, checked
from ganlab.data.drawn.drawing import Shape, bounds, paint
from ganlab.data.packs.source import Arrays, NoSuchSplitError, Record, Source
from ganlab.errors import UserError

SPLITS = {"train": 0, "test": 1}
UNSEEN = -1  # label of what a picture does not show, such as the colour of an absent bed


@dataclass(frozen=True)
class Rendered:
    """A picture and its ground truth."""

    image: np.ndarray  # uint8 (size, size, 3)
    labels: np.ndarray  # int64 (A,), UNSEEN where the picture does not show the attribute
    factors: np.ndarray  # float32 (F,) in [-1, 1]
    boxes: np.ndarray  # float32 (K, 4), x0, y0, x1, y1 of visible pixels in image sides; zeros if there are none
    masks: np.ndarray  # uint8 (size, size), the number of the front-most kind


def draw_values(
    values: Mapping[str, Mapping[str, float]], factors: Sequence[str], seed: int, split: str, index: int
) -> dict[str, Any]:
    """Draw labels with their probabilities and factors uniformly from [-1, 1], all independently."""
    if split not in SPLITS:
        raise NoSuchSplitError(f"data.split={split} is not known: take one of {', '.join(SPLITS)}")
    if not 0 <= seed < 2**32:  # a longer seed would overlap with the words of split and index
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


def render_shapes(
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
    truth = np.array(labels, np.int64), np.array(factors, np.float32), np.array(boxes, np.float32)
    return Rendered(image, *truth, mask)


@checked
class Procedural(Source):
    """Pictures rendered on demand; each is a pure function of seed, split and index."""

    renderer: int  # increase it when any pixel changes, so that packs are rebuilt
    labels: Mapping[str, Sequence[str]]
    modes: Sequence[str]  # labels whose combinations are counted as modes: few, and plainly visible
    factors: Sequence[str]
    objects: Sequence[str]
    kinds: Sequence[str]

    def __init__(self, count: Count, image_size: Annotated[int, Within(8)], seed: Natural, split: str) -> None:
        self.count, self.image_size, self.seed, self.split = count, image_size, seed, split
        self.name = f"{self.content}-{split}"
        self.render(0)  # rejects an invalid seed or split

    @abstractmethod
    def render(self, index: int) -> Rendered:
        """Return picture ``index`` with its ground truth."""

    @property
    def extras(self) -> Arrays:
        return {
            "labels": ("int64", (len(self.labels),)),
            "factors": ("float32", (len(self.factors),)),
            "boxes": ("float32", (len(self.objects), 4)),
            "masks": ("uint8", (self.image_size, self.image_size)),
        }

    def notes(self) -> dict[str, Any]:
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
        facts = {name: getattr(self, name) for name in ("renderer", "count", "image_size", "seed", "split")}
        return {"set": self.content} | facts

    def read(self, index: int) -> Record:
        truth = vars(self.render(index))
        return {"images": truth["image"]} | {name: truth[name] for name in self.extras}
