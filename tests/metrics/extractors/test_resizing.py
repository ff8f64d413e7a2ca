from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganlab.metrics.extractors.resizing import bicubic_weights, clean_bicubic, tensorflow_bilinear

Noise = Callable[..., np.ndarray]


def pillow(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 images (N, C, H, W) as clean-fid does: each channel as a float picture, clipped, never rounded."""
    channels = [Image.fromarray(channel.astype(np.float32)) for image in images for channel in image]
    done = [np.asarray(one.resize(size[::-1], Image.Resampling.BICUBIC)).clip(0, 255) for one in channels]
    return np.stack(done).reshape(*images.shape[:2], *size)


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (64, 64)])
def test_clean_is_pillow_where_feature_networks_enlarge(size: tuple[int, int], noise: Noise) -> None:
    images = noise(2, 3, *size)
    found = clean_bicubic(torch.from_numpy(images), (299, 299))
    assert found.dtype == torch.float32
    difference = np.abs(found.numpy() - pillow(images, (299, 299)))
    assert difference.max() < 4e-5  # one step of float32, and that once in a hundred thousand pixels at most:
    assert (difference > 0).mean() < 1e-5  # of a sum that ends beside the middle between two floats


@pytest.mark.parametrize("size", [(7, 9), (48, 20), (512, 300), (4, 40)])
@pytest.mark.parametrize("wanted", [(4, 40), (299, 299)])
def test_clean_is_pillow_for_any_shape(size: tuple[int, int], wanted: tuple[int, int], noise: Noise) -> None:
    images = noise(1, 3, *size)
    found = clean_bicubic(torch.from_numpy(images), wanted).numpy()
    assert np.abs(found - pillow(images, wanted)).max() < 4e-5  # one step of float32; the order of the passes differs


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_bicubic_weights_leave_a_plain_image_plain(have: int, wanted: int) -> None:
    weights = bicubic_weights(have, wanted)
    assert weights.shape == (wanted, have)
    assert torch.allclose(weights.sum(dim=1), torch.ones(wanted, dtype=torch.float64))
    assert torch.allclose(weights.flip(0, 1), weights, atol=1e-12)  # the same from both ends
    if have == wanted:
        assert torch.equal(weights, torch.eye(have, dtype=torch.float64))


def test_tensorflow_repeats_the_last_pixel_and_starts_at_the_corner() -> None:
    ramp = torch.tensor([[[[0, 100]]]], dtype=torch.uint8)
    assert tensorflow_bilinear(ramp, (1, 4)).flatten().tolist() == [0.0, 50.0, 100.0, 100.0]
    assert clean_bicubic(ramp, (1, 4)).flatten().tolist() != [0.0, 50.0, 100.0, 100.0]
