import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from ganlab.objectives.matrices import rotation, scaling, translation
from ganlab.objectives.resampling import doubling, resample

ONE = torch.ones(2)


def test_golden_weights_between_pixels() -> None:
    matrix = doubling(8, torch.zeros((), dtype=torch.float64))
    assert matrix.shape == (17, 8)
    assert torch.equal(matrix[1::2], torch.eye(8, dtype=torch.float64))
    sinc = {0.5: 2 / torch.pi, 1.5: -2 / (3 * torch.pi), 2.5: 2 / (5 * torch.pi)}
    window = {0.5: 3 / torch.pi, 1.5: 2 / torch.pi, 2.5: 3 / (5 * torch.pi)}
    near, next_, far = (sinc[x] * window[x] for x in (0.5, 1.5, 2.5))
    taps = torch.tensor([far, next_, near, near, next_, far], dtype=torch.float64) / (2 * (near + next_ + far))
    torch.testing.assert_close(matrix[8, 1:7], taps)  # the place 3.5
    torch.testing.assert_close(matrix[0, :3], 2 * taps[3:])  # the border: mirrored pixels count twice
    torch.testing.assert_close(matrix.sum(1), torch.ones(17, dtype=torch.float64))


@pytest.mark.parametrize("side", [1, 2, 3])
def test_images_smaller_than_the_filter_are_mirrored_over_and_over(side: int) -> None:
    torch.testing.assert_close(doubling(side, torch.zeros(())).sum(1), torch.ones(2 * side + 1))


def test_whole_pixel_moves_are_exact() -> None:
    images = torch.rand(2, 3, 5, 5)
    assert torch.equal(resample(images, scaling(-ONE, ONE)), images.flip(3))
    assert torch.equal(resample(images, rotation(0 * ONE, ONE)), images.rot90(1, (2, 3)))
    assert torch.equal(resample(images, rotation(-ONE, 0 * ONE)), images.rot90(2, (2, 3)))
    left = resample(images, translation(2 * ONE, 0 * ONE))
    assert torch.equal(left, images[..., [2, 3, 4, 4, 3]])  # mirrored with the border's pixels
    up = resample(images, translation(0 * ONE, ONE))
    assert torch.equal(up, images[:, :, [1, 2, 3, 4, 4]])
    assert torch.equal(resample(images, translation(10 * ONE, 0 * ONE)), images)  # a whole period


def test_a_ramp_is_read_where_the_map_points() -> None:
    columns = torch.arange(32.0).expand(2, 1, 16, 32)
    matrices = translation(0.3 * ONE, 0 * ONE) @ scaling(0.5 * ONE, ONE)
    found = resample(columns, matrices)[0, 0]
    expected = 15.5 + 0.3 + 0.5 * (torch.arange(32.0) - 15.5)
    torch.testing.assert_close(found, expected.expand(16, 32), atol=0.01, rtol=0)


def test_it_is_sharper_than_bilinear_reading() -> None:
    wave = torch.cos(torch.arange(32.0) * torch.pi / 2 + torch.pi / 4).expand(2, 1, 8, 32)  # half the highest frequency
    shifted = resample(wave, translation(0.5 * ONE, 0 * ONE))[0, 0, 4, 8:24]
    bilinear = (wave[0, 0, 4, 8:24] + wave[0, 0, 4, 9:25]) / 2
    assert shifted.abs().max().item() == pytest.approx(1.0, abs=0.07)
    assert bilinear.abs().max().item() == pytest.approx(0.5**0.5, abs=0.01)


def test_images_of_constant_colour_stay() -> None:
    matrices = rotation(torch.tensor([0.6, 0.8]), torch.tensor([0.8, -0.6])) @ translation(3.3 * ONE, -7.7 * ONE)
    torch.testing.assert_close(resample(torch.full((2, 4, 6, 9), 0.7), matrices), torch.full((2, 4, 6, 9), 0.7))


def test_derivatives_of_both_orders() -> None:
    images = torch.rand(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    matrices = rotation(torch.tensor([0.6, 0.8]), torch.tensor([0.8, -0.6])).double()
    assert gradcheck(lambda x: resample(x, matrices), images)
    assert gradgradcheck(lambda x: resample(x, matrices).pow(3), images)


def test_reading_is_linear_and_its_derivative_the_adjoint() -> None:
    images = torch.rand(2, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    matrices = rotation(torch.tensor([0.6, 0.8]), torch.tensor([0.8, -0.6])).double()
    weights = torch.rand_like(images)
    result = resample(images, matrices)
    (adjoint,) = torch.autograd.grad(result, images, weights)
    torch.testing.assert_close((result * weights).sum(), (images * adjoint).sum())
