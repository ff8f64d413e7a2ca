"""Faces with known answers: smile, glasses, hair, skin and pose of a rendered portrait are known.

    factors = draw_factors(seed=0, split="train", index=7)
    turning = [render(replace(factors, pose=pose), 64).image for pose in (-1, -0.5, 0, 0.5, 1)]

Every factor can be replaced by itself; none moves the others.
"""

from dataclasses import dataclass

from ganlab.data.drawn import procedural
from ganlab.data.drawn.head import BACKGROUNDS, CLOTHES, HAIRS, KINDS, SKINS, Head
from ganlab.data.drawn.procedural import Procedural, Rendered

RENDERER = 1

# Each label is drawn by itself: P(several labels) is the product.
PROBABILITIES: dict[str, dict[str, float]] = {
    "smile": {"neutral": 0.5, "smile": 0.5},
    "glasses": {"absent": 0.6, "present": 0.4},
    "hair": {"short": 0.4, "long": 0.4, "bun": 0.2},
    "hair_colour": {colour: 1 / len(HAIRS) for colour in HAIRS},
    "skin": {colour: 1 / len(SKINS) for colour in SKINS},
    "background": {colour: 1 / len(BACKGROUNDS) for colour in BACKGROUNDS},
    "clothes": {colour: 1 / len(CLOTHES) for colour in CLOTHES},
}
LABELS = {name: list(values) for name, values in PROBABILITIES.items()}
FACTORS = (
    "pose",
    "head_size",
    "head_x",
    "head_y",
    "tilt",
    "face_width",
    "jaw",
    "shoulders",
    "skin_tone",
    "hair_tone",
    "hair_volume",
    "hair_length",
    "parting",
    "fringe",
    "brow",
    "eye_y",
    "eye_size",
    "eye_hue",
    "nose_size",
    "mouth_y",
    "mouth_width",
    "frame_hue",
    "background_tone",
    "light",
)
OBJECTS = ("face", "hair", "left_eye", "right_eye", "nose", "mouth", "glasses", "clothes")


@dataclass(frozen=True)
class PortraitFactors:
    """All that decides a portrait; labels by the names in ``LABELS``, the rest in -1..1.

    pose: the head turns from the picture's left (-1) to its right (1), 36 degrees each way. tilt: it leans to a side.
    head_*: place and size; *_size, *_width, *_length: proportions; *_tone: brightness; *_hue: colours.
    parting: of the hair, left below 0. light: from the right (-1) to the left (1). left_eye is the picture's left one.
    """

    smile: str
    glasses: str
    hair: str
    hair_colour: str
    skin: str
    background: str
    clothes: str
    pose: float
    head_size: float
    head_x: float
    head_y: float
    tilt: float
    face_width: float
    jaw: float
    shoulders: float
    skin_tone: float
    hair_tone: float
    hair_volume: float
    hair_length: float
    parting: float
    fringe: float
    brow: float
    eye_y: float
    eye_size: float
    eye_hue: float
    nose_size: float
    mouth_y: float
    mouth_width: float
    frame_hue: float
    background_tone: float
    light: float

    def labels(self) -> list[int]:
        """Return the numbers of the labels."""
        return [values.index(getattr(self, name)) for name, values in LABELS.items()]


def draw_factors(seed: int, split: str, index: int) -> PortraitFactors:
    """Return the factors of portrait ``index``; they do not depend on the image size.

    Raises:
        UserError: a split that is not known, or a seed beyond 0..2**32-1.
    """
    return PortraitFactors(**procedural.draw(PROBABILITIES, FACTORS, seed, split, index))


def render(factors: PortraitFactors, size: int) -> Rendered:
    """Return the portrait as a picture of ``size`` x ``size`` pixels, with its truth."""
    numbers = [getattr(factors, name) for name in FACTORS]
    return procedural.render(Head(factors).draw(), size, factors.labels(), numbers, OBJECTS, KINDS)


class Portraits(Procedural):
    """``count`` faces of one split."""

    content = "portraits"
    renderer = RENDERER
    labels = LABELS
    modes = ("smile", "glasses", "hair", "hair_colour", "skin")  # 240 persons
    factors = FACTORS
    objects = OBJECTS
    kinds = KINDS

    def render(self, index: int) -> Rendered:
        """Return portrait ``index`` with its truth."""
        return render(draw_factors(self.seed, self.split, index), self.image_size)
