import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.data.cropping import crop, draw_geometry


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 4), st.sampled_from([1, 3]), st.booleans(), st.integers(0))
def test_a_crop_is_a_slice_and_a_flip_is_a_reversal(count, size, beyond, channels, flip, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, size + beyond, size + beyond, channels), np.uint8)
    geometry = draw_geometry(rng, count, size + beyond, size, flip)
    cropped = crop(torch.from_numpy(images), torch.from_numpy(geometry), size)
    for image, (top, left, mirrored), window in zip(images, geometry, cropped, strict=True):
        expected = image[top : top + size, left : left + size]
        assert np.array_equal(window, expected[:, ::-1] if mirrored else expected)


def test_every_place_and_both_directions_are_drawn_equally_often():
    geometry = draw_geometry(np.random.default_rng(0), 9000, packed=6, size=4, flip=True)
    assert geometry.dtype == np.int64 and geometry.min() == 0
    places, counts = np.unique(geometry, axis=0, return_counts=True)
    assert len(places) == 18 and counts.min() > 400 and counts.max() < 600
    assert not draw_geometry(np.random.default_rng(0), 50, packed=6, size=4, flip=False)[:, 2].any()
