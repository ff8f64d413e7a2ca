"""Bedrooms with known answers: every factor, object, box and mask of a rendered scene is known.

    factors = draw_factors(seed=0, split="train", index=7)
    with_window = render(replace(factors, windows="one"), 64)
    without = render(replace(factors, windows="none"), 64)

Taking the windows away changes the pixels of the windows and the patch of daylight that they throw on the floor and
the rug; nothing else.
"""

from dataclasses import dataclass

from ganlab.data.drawn import procedural
from ganlab.data.drawn.bedroom import BEDS, Bedroom
from ganlab.data.drawn.procedural import UNSEEN, Procedural, Rendered
from ganlab.data.drawn.room import KINDS, WALLS

RENDERER = 1

# Each label is drawn by itself: P(several labels) is the product.
PROBABILITIES: dict[str, dict[str, float]] = {
    "windows": {"none": 0.5, "one": 0.3, "two": 0.2},
    "sky": {"day": 0.5, "sunset": 0.25, "night": 0.25},
    "curtains": {"absent": 0.5, "present": 0.5},
    "bed": {"none": 0.2, "left": 0.4, "right": 0.4},
    "bed_colour": {colour: 1 / len(BEDS) for colour in BEDS},
    "lamp": {"none": 0.4, "off": 0.3, "on": 0.3},
    "picture": {"none": 0.4, "landscape": 0.3, "abstract": 0.3},
    "plant": {"absent": 0.6, "present": 0.4},
    "rug": {"absent": 0.5, "present": 0.5},
    "floor": {"oak": 0.4, "walnut": 0.3, "tiles": 0.3},
    "wall": {colour: 1 / len(WALLS) for colour in WALLS},
}
LABELS = {name: list(values) for name, values in PROBABILITIES.items()}
FACTORS = (
    "view",
    "distance",
    "eye_height",
    "arrangement",
    "bed_x",
    "bed_size",
    "bed_tone",
    "window_x",
    "window_y",
    "window_size",
    "curtain_hue",
    "lamp_x",
    "lamp_height",
    "picture_x",
    "picture_size",
    "plant_x",
    "plant_size",
    "rug_x",
    "rug_size",
    "rug_hue",
    "wall_tone",
    "floor_tone",
    "sun",
)
OBJECTS = ("bed", "window_1", "window_2", "lamp", "picture", "plant", "rug")


@dataclass(frozen=True)
class SceneFactors:
    """All that decides a scene; labels by the names in ``LABELS``, the rest in -1..1.

    view: the camera walks from the left (-1) to the right (1) around the room. distance, eye_height: of the camera.
    arrangement: its sixth of -1..1 says in which order the two windows and the picture share the wall.
    *_x, *_y, *_size, *_height: place and size of objects; *_tone: brightness; *_hue: which of the bed's colours.
    sun: how far to the side the light falls. Where no bed stands, bed_x decides on which side the
    others do.
    """

    windows: str
    sky: str
    curtains: str
    bed: str
    bed_colour: str
    lamp: str
    picture: str
    plant: str
    rug: str
    floor: str
    wall: str
    view: float
    distance: float
    eye_height: float
    arrangement: float
    bed_x: float
    bed_size: float
    bed_tone: float
    window_x: float
    window_y: float
    window_size: float
    curtain_hue: float
    lamp_x: float
    lamp_height: float
    picture_x: float
    picture_size: float
    plant_x: float
    plant_size: float
    rug_x: float
    rug_size: float
    rug_hue: float
    wall_tone: float
    floor_tone: float
    sun: float

    def labels(self) -> list[int]:
        """Return the numbers of the labels, UNSEEN for curtains without a window and the colour of an absent bed."""
        unseen = {"curtains": self.windows == "none", "bed_colour": self.bed == "none"}
        return [UNSEEN if unseen.get(name) else values.index(getattr(self, name)) for name, values in LABELS.items()]


def draw_factors(seed: int, split: str, index: int) -> SceneFactors:
    """Return the factors of scene ``index``; they do not depend on the image size.

    Raises:
        UserError: a split that is not known, or a seed beyond 0..2**32-1.
    """
    return SceneFactors(**procedural.draw(PROBABILITIES, FACTORS, seed, split, index))


def render(factors: SceneFactors, size: int) -> Rendered:
    """Return the scene as a picture of ``size`` x ``size`` pixels, with its truth."""
    numbers = [getattr(factors, name) for name in FACTORS]
    return procedural.render(Bedroom(factors).draw(), size, factors.labels(), numbers, OBJECTS, KINDS)


class Scenes(Procedural):
    """``count`` bedrooms of one split."""

    content = "scenes"
    renderer = RENDERER
    labels = LABELS
    modes = ("windows", "bed", "lamp", "plant", "rug")  # 108 bedrooms by what stands there
    factors = FACTORS
    objects = OBJECTS
    kinds = KINDS

    def render(self, index: int) -> Rendered:
        """Return scene ``index`` with its truth."""
        return render(draw_factors(self.seed, self.split, index), self.image_size)
