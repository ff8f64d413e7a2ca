"""Drawn faces: every factor, box and mask is known, and a factor can be changed without moving the others."""

from ganlab.data.drawn.head import KINDS, Head
from ganlab.data.drawn.portrait_factors import FACTORS, LABELS, PROBABILITIES, PortraitFactors
from ganlab.data.drawn.procedural import Procedural, Rendered, draw_values, render_shapes

OBJECTS = ("face", "hair", "left_eye", "right_eye", "nose", "mouth", "glasses", "clothes")  # left in the picture


def draw_factors(seed: int, split: str, index: int) -> PortraitFactors:
    """Return the factors of portrait ``index``, at any image size; ``UserError`` for an unknown split or seed."""
    return PortraitFactors(**draw_values(PROBABILITIES, FACTORS, seed, split, index))


def render(factors: PortraitFactors, size: int) -> Rendered:
    """Return the portrait as a picture of ``size`` x ``size`` pixels, with its ground truth."""
    numbers = [getattr(factors, name) for name in FACTORS]
    return render_shapes(Head(factors).draw(), size, factors.labels(), numbers, OBJECTS, KINDS)


class Portraits(Procedural):
    """``count`` faces of one split."""

    content = "portraits"
    renderer = 1
    drawn = PortraitFactors
    probabilities = PROBABILITIES
    labels = LABELS
    modes = ("smile", "glasses", "hair", "hair_colour", "skin")  # 240 combinations
    factors = FACTORS
    objects = OBJECTS
    kinds = KINDS

    def render(self, factors: PortraitFactors) -> Rendered:
        return render(factors, self.image_size)
