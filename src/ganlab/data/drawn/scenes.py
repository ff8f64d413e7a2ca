"""Drawn bedrooms: every object, box and mask is known; without a window, only its and its daylight's pixels change."""

from ganlab.data.drawn.bedroom import Bedroom
from ganlab.data.drawn.procedural import Procedural, Rendered, draw_values, render_shapes
from ganlab.data.drawn.room import KINDS
from ganlab.data.drawn.scene_factors import FACTORS, LABELS, PROBABILITIES, SceneFactors

OBJECTS = ("bed", "window_1", "window_2", "lamp", "picture", "plant", "rug")


def draw_factors(seed: int, split: str, index: int) -> SceneFactors:
    """Return the factors of scene ``index``, at any image size; ``UserError`` for an unknown split or seed."""
    return SceneFactors(**draw_values(PROBABILITIES, FACTORS, seed, split, index))


def render(factors: SceneFactors, size: int) -> Rendered:
    """Return the scene as a picture of ``size`` x ``size`` pixels, with its ground truth."""
    numbers = [getattr(factors, name) for name in FACTORS]
    return render_shapes(Bedroom(factors).draw(), size, factors.labels(), numbers, OBJECTS, KINDS)


class Scenes(Procedural):
    """``count`` bedrooms of one split."""

    content = "scenes"
    renderer = 1
    drawn = SceneFactors
    probabilities = PROBABILITIES
    labels = LABELS
    modes = ("windows", "bed", "lamp", "plant", "rug")  # 108 combinations of what stands in the room
    factors = FACTORS
    objects = OBJECTS
    kinds = KINDS

    def render(self, factors: SceneFactors) -> Rendered:
        return render(factors, self.image_size)


class ScenePairs(Scenes):
    """Pairs of one bedroom: ``inputs``, and ``targets`` in which the labels and factors of ``twin`` differ."""

    content = "scene_pairs"
    pictures = ("inputs", "targets")
