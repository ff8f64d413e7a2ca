"""Labels, colours and numbers that determine a drawn bedroom."""

from dataclasses import dataclass, field, fields

from ganlab.data.drawn.drawing import Colour
from ganlab.data.drawn.procedural import UNSEEN

WALLS: dict[str, Colour] = {
    "cream": (0.95, 0.89, 0.77),
    "blush": (0.93, 0.76, 0.72),
    "sage": (0.71, 0.80, 0.68),
    "sky": (0.67, 0.80, 0.88),
    "lavender": (0.78, 0.73, 0.87),
    "teal": (0.38, 0.60, 0.62),
}
FLOORS: dict[str, Colour] = {"oak": (0.83, 0.65, 0.44), "walnut": (0.52, 0.35, 0.26), "tiles": (0.80, 0.79, 0.77)}
BEDS: dict[str, Colour] = {
    "red": (0.82, 0.30, 0.28),
    "mustard": (0.93, 0.71, 0.25),
    "green": (0.27, 0.53, 0.40),
    "blue": (0.24, 0.38, 0.66),
    "plum": (0.52, 0.29, 0.50),
}


@dataclass(frozen=True)
class SceneFactors:
    """Everything that determines a scene: labels with their probabilities, and numbers in [-1, 1]."""

    windows: str = field(metadata={"none": 0.5, "one": 0.3, "two": 0.2})
    sky: str = field(metadata={"day": 0.5, "sunset": 0.25, "night": 0.25})
    curtains: str = field(metadata={"absent": 0.5, "present": 0.5})
    bed: str = field(metadata={"none": 0.2, "left": 0.4, "right": 0.4})
    bed_colour: str = field(metadata=dict.fromkeys(BEDS, 1 / len(BEDS)))
    lamp: str = field(metadata={"none": 0.4, "off": 0.3, "on": 0.3})
    picture: str = field(metadata={"none": 0.4, "landscape": 0.3, "abstract": 0.3})
    plant: str = field(metadata={"absent": 0.6, "present": 0.4})
    rug: str = field(metadata={"absent": 0.5, "present": 0.5})
    floor: str = field(metadata={"oak": 0.4, "walnut": 0.3, "tiles": 0.3})
    wall: str = field(metadata=dict.fromkeys(WALLS, 1 / len(WALLS)))
    view: float  # camera angle, from the left (-1) to the right (1)
    distance: float  # of the camera
    eye_height: float  # of the camera
    arrangement: float  # its sixth of [-1, 1] selects the order of the windows and the picture on the wall
    bed_x: float  # without a bed, selects the side of the other furniture
    bed_size: float
    bed_tone: float  # brightness, as the other tones
    window_x: float
    window_y: float
    window_size: float
    curtain_hue: float  # index of a bed colour
    lamp_x: float
    lamp_height: float
    picture_x: float
    picture_size: float
    plant_x: float
    plant_size: float
    rug_x: float
    rug_size: float
    rug_hue: float  # index of a bed colour
    wall_tone: float
    floor_tone: float
    sun: float  # how far to the side the light falls

    def labels(self) -> list[int]:
        """Return the labels' numbers, UNSEEN for curtains without a window and the colour of an absent bed."""
        unseen = {"curtains": self.windows == "none", "bed_colour": self.bed == "none"}
        return [UNSEEN if unseen.get(name) else values.index(getattr(self, name)) for name, values in LABELS.items()]


PROBABILITIES = {label.name: label.metadata for label in fields(SceneFactors) if label.metadata}
LABELS = {name: list(values) for name, values in PROBABILITIES.items()}
FACTORS = tuple(factor.name for factor in fields(SceneFactors) if factor.type is float)
