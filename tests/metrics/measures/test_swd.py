import math

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter
from torch import Tensor

from ganlab.classifiers.digits import digits
from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.swd import SWD, laplacian_pyramid, wasserstein


def distance(real: Tensor, fake: Tensor, patches: int = 8, order: Tensor | None = None, batch_size: int = 50) -> float:
    metric = SWD(patches)
    metric.real_patches = [metric.cut_up(real, torch.arange(len(real))).flatten(end_dim=1)]
    for indices in (torch.arange(len(fake)) if order is None else order).split(batch_size):
        metric.update(Generated(fake[indices], None, indices))
    return metric.compute()["swd"]


def plain(white: int, count: int) -> Tensor:
    images = torch.zeros(count, 1, 16, 16, dtype=torch.uint8)
    images[:white] = 255
    return images


def test_wasserstein_by_hand() -> None:
    assert wasserstein(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 3.0]])) == 1.5
    assert wasserstein(torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, 1.0, 2.0, 3.0]])) == 0.5


def test_plain_images_by_hand() -> None:
    # Half of the reals white: normalised pixels -1 and 1. A quarter of the fakes: -1/sqrt(3) and sqrt(3).
    quantiles = [abs(-1 + 3**-0.5)] * 2 + [1 + 3**-0.5] + [3**0.5 - 1]
    # A unit vector of 49 dimensions has this mean |sum|.
    direction = 7 * math.gamma(24.5) / (math.sqrt(math.pi) * math.gamma(25))
    expected = 1000 * direction * sum(quantiles) / 4
    assert distance(plain(20, 40), plain(10, 40)) == pytest.approx(expected, rel=0.08)


def test_equal_sets_have_no_distance_and_other_samples_of_one_kind_little() -> None:
    images, _ = digits()
    assert distance(images[:200], images[:200]) == 0
    assert 0 < distance(images[:200], images[200:400]) < 150 < distance(images[:200], 255 - images[200:400])


@pytest.mark.parametrize("spoil", ["blur", "noise"])
def test_grows_with_blur_and_noise(spoil: str) -> None:
    images = digits()[0][:300]
    rng = np.random.default_rng(0)
    distances = []
    for strength in (0.0, 0.7, 1.4, 2.8):
        pixels = images.numpy().astype(float)
        if spoil == "blur":
            pixels = gaussian_filter(pixels, (0, 0, strength, strength))
        else:
            pixels += 20 * strength * rng.standard_normal(pixels.shape)
        distances.append(distance(images, torch.from_numpy(pixels.round().clip(0, 255).astype(np.uint8))))
    assert distances == sorted(distances)
    assert distances[-1] > distances[1] + 50


@pytest.mark.parametrize(
    ("size", "levels"), [(16, [16]), (28, [28]), (32, [32, 16]), (40, [40, 20]), (64, [64, 32, 16])]
)
def test_sizes_and_levels(size: int, levels: list[int]) -> None:
    images = torch.randint(0, 256, (6, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert [band.shape[-1] for band in laplacian_pyramid(images.float())] == levels
    assert distance(images[:3], images[3:]) > 0


def test_pyramid_follows_the_filter_of_the_paper() -> None:
    images = torch.rand(2, 3, 32, 32, dtype=torch.float32, generator=torch.Generator().manual_seed(0))
    line = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(line, line)[None, None]
    coarse = convolve(images.numpy(), kernel, mode="mirror")[:, :, ::2, ::2]
    spread = np.zeros(images.shape, dtype=np.float32)
    spread[:, :, ::2, ::2] = coarse
    fine, rest = laplacian_pyramid(images)
    assert np.allclose(rest.numpy(), coarse, atol=1e-6)
    assert np.allclose(fine.numpy(), images.numpy() - convolve(spread, 4 * kernel, mode="mirror"), atol=1e-6)


def test_batches_and_order_change_nothing() -> None:
    images, _ = digits()
    whole = distance(images[:60], images[60:120], batch_size=60)
    backwards = torch.arange(60).flip(0)
    assert distance(images[:60], images[60:120], order=backwards, batch_size=7) == pytest.approx(whole, rel=1e-6)


def test_a_grey_level_of_one_pixel_changes_next_to_nothing() -> None:
    images, _ = digits()
    fakes = images[60:120].clone()
    whole = distance(images[:60], fakes)
    fakes[3, 0, 10, 10] ^= 1  # as rounding may differ from machine to machine
    assert distance(images[:60], fakes) == pytest.approx(whole, rel=1e-4)


def test_collapse_to_one_grey_is_a_number() -> None:
    assert math.isfinite(distance(digits()[0][:50], torch.full((50, 1, 32, 32), 127, dtype=torch.uint8)))


def test_too_small_images_and_no_patches_are_refused() -> None:
    with pytest.raises(UserError, match="16 pixels or more, not 8x8"):
        SWD(4).cut_up(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.arange(1))
    with pytest.raises(ValueError, match="^patches=0(.0)? must be"):
        SWD(0)
