from math import pi

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.objectives.matrices import brightening, hue_rotation, recolour, rotation, scaling, stretching, translation

ONE = torch.ones(1)


def test_golden_maps_of_the_plane() -> None:
    point = torch.tensor([2.0, 3.0, 1.0])
    assert (scaling(2 * ONE, -ONE)[0] @ point).tolist() == [4, -3, 1]
    assert (rotation(0 * ONE, ONE)[0] @ point).tolist() == [-3, 2, 1]
    assert (translation(5 * ONE, -ONE)[0] @ point).tolist() == [7, 2, 1]


def test_golden_maps_of_colours() -> None:
    colour = torch.tensor([0.6, 0.3, 0.0, 1.0])
    expected = {
        "brighter": (brightening(0.1 * ONE), [0.7, 0.4, 0.1]),
        "of more contrast": (stretching(2 * ONE, 2 * ONE), [1.2, 0.6, 0.0]),
        "luma flipped": (stretching(-ONE, ONE), [0.0, -0.3, -0.6]),
        "of twice the saturation": (stretching(ONE, 2 * ONE), [0.9, 0.3, -0.3]),
        "grey": (stretching(ONE, 0 * ONE), [0.3, 0.3, 0.3]),
        "a third of a turn": (hue_rotation(2 * pi / 3 * ONE), [0.0, 0.6, 0.3]),
        "half a turn": (hue_rotation(pi * ONE), [0.0, 0.3, 0.6]),
    }
    for matrices, values in expected.values():
        torch.testing.assert_close(matrices[0] @ colour, torch.tensor([*values, 1.0]))


@settings(max_examples=20, deadline=None)
@given(st.floats(-pi, pi), st.floats(0.1, 4))
def test_hue_and_saturation_keep_luma_and_hue_keeps_lengths(angle: float, factor: float) -> None:
    images = torch.rand(1, 3, 2, 3)
    turned = recolour(images, hue_rotation(angle * ONE))
    torch.testing.assert_close(turned.mean(1), images.mean(1))
    torch.testing.assert_close(turned.square().sum(1), images.square().sum(1))
    torch.testing.assert_close(recolour(images, stretching(ONE, factor * ONE)).mean(1), images.mean(1))


def test_grey_images_are_coloured_as_their_colour_form_would_be() -> None:
    grey = torch.rand(1, 1, 4, 5)
    matrices = hue_rotation(ONE) @ stretching(-ONE, 3 * ONE) @ stretching(2 * ONE, 2 * ONE) @ brightening(0.3 * ONE)
    torch.testing.assert_close(recolour(grey, matrices), -2 * (grey + 0.3))
    for channels in (2, 3, 4):
        torch.testing.assert_close(recolour(grey.expand(-1, channels, -1, -1), matrices)[:, :1], -2 * (grey + 0.3))
