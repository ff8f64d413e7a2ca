"""Base of the drawn data sets: random factors by seed and index, and a source of rendered pictures."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


def held_values(
    values: Mapping[str, Sequence[str]], factors: Sequence[str], asked: Mapping[str, Any] | None, key: str
) -> dict[str, Any]:
    """Return the labels and factors of ``data.KEY`` that are held; ``UserError`` for an unknown name or value."""
    if not isinstance(asked, Mapping | None):
        raise UserError(f"data.{key}={asked} names no value: type 'data.{key}={{{next(iter(values))}: ...}}'")
    held = {}
    for name, value in (asked or {}).items():
        value = ("off", "on")[value] if isinstance(value, bool) else value  # YAML reads these words as booleans
        if name not in values and name not in factors:
            raise UserError(f"data.{key}.{name} does not exist: take one of {', '.join([*values, *factors])}")
        if name in values and value not in values[name]:
            raise UserError(f"data.{key}.{name}={value} is not known: take one of {', '.join(values[name])}")
        if name in factors and not (isinstance(value, (int, float)) and -1 <= value <= 1):
            raise UserError(f"data.{key}.{name}={value} must be a number from -1 to 1")
        held[name] = value
    return held


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
    """Pictures rendered on demand; each is a pure function of seed, split and number.

    Args:
        count: of pictures.
        image_size: side in pixels.
        seed: of all pictures.
        split: ``train`` or ``test``.
        only: labels and factors that are the same in all pictures, by name.
        first: number of the first picture: sources with disjoint numbers have no picture in common.
        twin: labels and factors that differ in a second picture of the same scene, the entry ``targets``.
        region: kinds of the masks that are measured by themselves.
    """

    renderer: int  # increase it when any pixel changes, so that packs are rebuilt
    drawn: type  # dataclass of all labels and factors
    probabilities: Mapping[str, Mapping[str, float]]
    labels: Mapping[str, Sequence[str]]
    modes: Sequence[str]  # labels whose combinations are counted as modes: few, and plainly visible
    factors: Sequence[str]
    objects: Sequence[str]
    kinds: Sequence[str]

    def __init__(
        self,
        count: Count,
        image_size: Annotated[int, Within(8)],
        seed: Natural,
        split: str,
        only: Mapping[str, Any] | None = None,
        first: Natural = 0,
        twin: Mapping[str, Any] | None = None,
        region: Sequence[str] = (),
    ) -> None:
        self.count, self.image_size, self.seed, self.split, self.first = count, image_size, seed, split, first
        self.only = held_values(self.labels, self.factors, only, "only")
        self.twin = held_values(self.labels, self.factors, twin, "twin")
        self.region = [self.kinds.index(kind) for kind in region]
        self.name = f"{self.content}-{split}"
        if self.twin:
            self.pictures = (self.pictures[0], "targets")
        self.draw(0)  # rejects an invalid seed or split

    @abstractmethod
    def render(self, factors: Any) -> Rendered:
        """Return the picture of labels and factors with its ground truth."""

    def draw(self, index: int) -> Any:
        """Return the labels and factors of picture ``index``."""
        values = draw_values(self.probabilities, self.factors, self.seed, self.split, self.first + index)
        return self.drawn(**values | self.only)

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
            "modes": [name for name in self.modes if name not in self.only],
            "factors": list(self.factors),
            "objects": list(self.objects),
            "mask_kinds": list(self.kinds),
            **({"region": self.region} if self.region else {}),
        }

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in ("renderer", "count", "image_size", "seed", "split")}
        added = {name: getattr(self, name) for name in ("only", "first", "twin", "region")}
        return {"set": self.content} | facts | {name: value for name, value in added.items() if value}

    def read(self, index: int) -> Record:
        factors = self.draw(index)
        truth = vars(self.render(factors))
        record = {self.pictures[0]: truth["image"]} | {name: truth[name] for name in self.extras}
        return record | ({"targets": self.render(replace(factors, **self.twin)).image} if self.twin else {})
