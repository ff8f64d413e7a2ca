"""Labels, colours and numbers that determine a drawn face."""

from dataclasses import dataclass, field, fields

from ganlab.data.drawn.drawing import Colour

SKINS: dict[str, Colour] = {
    "light": (0.98, 0.83, 0.73),
    "tan": (0.91, 0.70, 0.54),
    "brown": (0.75, 0.52, 0.37),
    "dark": (0.53, 0.35, 0.26),
}
HAIRS: dict[str, Colour] = {
    "black": (0.15, 0.13, 0.16),
    "brown": (0.36, 0.20, 0.12),
    "blond": (0.92, 0.75, 0.42),
    "red": (0.76, 0.34, 0.17),
    "grey": (0.72, 0.72, 0.74),
}
BACKGROUNDS: dict[str, Colour] = {
    "sand": (0.93, 0.87, 0.76),
    "rose": (0.93, 0.75, 0.75),
    "mint": (0.72, 0.87, 0.78),
    "sky": (0.68, 0.82, 0.93),
    "violet": (0.76, 0.71, 0.90),
}
CLOTHES: dict[str, Colour] = {
    "red": (0.83, 0.33, 0.32),
    "mustard": (0.91, 0.68, 0.27),
    "green": (0.30, 0.55, 0.43),
    "navy": (0.22, 0.32, 0.55),
}


@dataclass(frozen=True)
class PortraitFactors:
    """Everything that determines a portrait: labels with their probabilities, and numbers in [-1, 1]."""

    smile: str = field(metadata={"neutral": 0.5, "smile": 0.5})
    glasses: str = field(metadata={"absent": 0.6, "present": 0.4})
    hair: str = field(metadata={"short": 0.4, "long": 0.4, "bun": 0.2})
    hair_colour: str = field(metadata=dict.fromkeys(HAIRS, 1 / len(HAIRS)))
    skin: str = field(metadata=dict.fromkeys(SKINS, 1 / len(SKINS)))
    background: str = field(metadata=dict.fromkeys(BACKGROUNDS, 1 / len(BACKGROUNDS)))
    clothes: str = field(metadata=dict.fromkeys(CLOTHES, 1 / len(CLOTHES)))
    pose: float  # rotation from the picture's left (-1) to its right (1), 36 degrees each way
    head_size: float
    head_x: float
    head_y: float
    tilt: float  # leaning to a side
    face_width: float
    jaw: float
    shoulders: float
    skin_tone: float  # brightness, as the other tones
    hair_tone: float
    hair_volume: float
    hair_length: float
    parting: float  # of the hair, left below 0
    fringe: float
    brow: float
    eye_y: float
    eye_size: float
    eye_hue: float  # colour, as frame_hue
    nose_size: float
    mouth_y: float
    mouth_width: float
    frame_hue: float
    background_tone: float
    light: float  # from the right (-1) to the left (1)

    def labels(self) -> list[int]:
        return [values.index(getattr(self, name)) for name, values in LABELS.items()]


PROBABILITIES = {label.name: label.metadata for label in fields(PortraitFactors) if label.metadata}
LABELS = {name: list(values) for name, values in PROBABILITIES.items()}
FACTORS = tuple(factor.name for factor in fields(PortraitFactors) if factor.type is float)
