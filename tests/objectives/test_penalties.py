import pytest
import torch
from torch import Tensor

from ganlab.objectives.penalties import R1, R2, squared_gradient


def quadratic(images: Tensor) -> Tensor:
    return images.square().flatten(1).sum(1)  # gradient 2x


def test_the_gradient_is_that_of_each_image() -> None:
    images = torch.randn(3, 2, 4, 4)
    expected = 4 * images.square().flatten(1).sum(1)
    torch.testing.assert_close(squared_gradient(quadratic, images), expected)


def test_r1_and_r2_look_at_real_and_at_fake_images() -> None:
    real, fake = torch.full((2, 1, 2, 2), 1.0), torch.full((2, 1, 2, 2), 3.0)
    assert R1(weight=10)(quadratic, real, fake).item() == pytest.approx(10 / 2 * 4 * 4 * 1)
    assert R2(weight=10)(quadratic, real, fake).item() == pytest.approx(10 / 2 * 4 * 4 * 9)


def test_a_lazy_penalty_is_as_strong_on_average() -> None:
    real = torch.ones(1, 1, 2, 2)
    assert R1(interval=16)(quadratic, real, real).item() == 16 * R1(interval=1)(quadratic, real, real).item()


def test_the_weights_gradient_is_right() -> None:
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    images = torch.ones(1, 1, 2, 2)
    R1(weight=2)(lambda x: (weight * x.square()).flatten(1).sum(1), images, images).backward()
    assert weight.grad.item() == pytest.approx(2 * 4 * 4 * 0.7, rel=1e-5)  # d/dw of w^2 |2x|^2


def test_it_computes_in_float32_under_autocast() -> None:
    layer = torch.nn.Conv2d(1, 4, 3)
    images = torch.randn(2, 1, 8, 8)
    expected = R1()(lambda x: layer(x).square().flatten(1).sum(1), images, images)
    with torch.autocast("cpu", torch.bfloat16):
        found = R1()(lambda x: layer(x).square().flatten(1).sum(1), images, images)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
