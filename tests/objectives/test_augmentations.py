from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from ganlab.objectives.adaptive import Adaptive
from ganlab.objectives.augmentations import Augmentation, Colour, Cutout, InstanceNoise, Translation

EVERYTHING = dict(blit=True, geometry=True, colour=True, limit=1.0, target=0.6, signal="sign", speed=1000, interval=1)
KINDS: dict[str, Callable[[], Augmentation]] = {
    "colour": lambda: Colour(brightness=0.5, saturation=1.0, contrast=0.5),
    "translation": lambda: Translation(share=0.125),
    "cutout": lambda: Cutout(share=0.5),
    "instance_noise": lambda: InstanceNoise(deviation=0.1, until=1000),
    "adaptive": lambda: Adaptive(start=0.7, **EVERYTHING),
}
IDLE: dict[str, Callable[[], Augmentation]] = {
    "colour": lambda: Colour(brightness=0.0, saturation=0.0, contrast=0.0),
    "translation": lambda: Translation(share=0.0),
    "cutout": lambda: Cutout(share=0.0),
    "instance_noise": lambda: InstanceNoise(deviation=0.0, until=1000),
    "adaptive": lambda: Adaptive(start=0.0, **EVERYTHING),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def seeded(augmentation: Augmentation) -> Callable[[Tensor], Tensor]:
    def transform(images: Tensor) -> Tensor:
        torch.manual_seed(0)
        return augmentation(images)

    return transform


@every_kind
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.sampled_from([1, 3, 4]), st.integers(2, 9), st.integers(2, 9))
def test_the_shape_stays_and_a_seed_decides(kind: str, count: int, channels: int, height: int, width: int) -> None:
    images = torch.linspace(-1, 1, count * channels * height * width).view(count, channels, height, width)
    transform = seeded(KINDS[kind]())
    found = transform(images)
    assert found.shape == images.shape and found.dtype == torch.float32 and found.isfinite().all()
    assert torch.equal(found, transform(images))


@pytest.mark.parametrize("kind", IDLE)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_without_strength_images_stay_as_they_are(kind: str, channels: int) -> None:
    images = torch.rand(4, channels, 6, 7) * 2 - 1
    assert torch.equal(IDLE[kind]()(images), images)


@every_kind
@pytest.mark.parametrize("channels", [1, 3])
def test_derivatives_are_right_and_so_are_the_second_ones(kind: str, channels: int) -> None:
    transform = seeded(KINDS[kind]())
    images = torch.rand(2, channels, 4, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(transform, images, fast_mode=True)
    assert gradgradcheck(lambda x: transform(x).pow(3), images, fast_mode=True)


@every_kind
def test_a_gradient_penalty_goes_through(kind: str) -> None:
    transform, layer = seeded(KINDS[kind]()), torch.nn.Conv2d(3, 1, 3)
    images = torch.rand(4, 3, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(transform(images)).square().sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.abs().sum() > 0


@every_kind
def test_it_computes_in_float32_under_autocast(kind: str) -> None:
    transform, images = seeded(KINDS[kind]()), torch.rand(4, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found, narrow = transform(images), transform(images.bfloat16())
    assert torch.equal(found, transform(images))
    assert narrow.dtype == torch.float32 and torch.equal(narrow, transform(images.bfloat16().float()))


@every_kind
def test_the_range_of_the_values_changes_nothing_but_the_scale(kind: str) -> None:
    images, augmentation = torch.rand(4, 3, 8, 8), KINDS[kind]()
    expected = (seeded(augmentation)(2 * images - 1) + 1) / 2
    augmentation.value_range = (0.0, 1.0)
    torch.testing.assert_close(seeded(augmentation)(images), expected)


@pytest.mark.parametrize("kind", ["colour", "cutout", "instance_noise", "adaptive"])
def test_what_is_seen_of_an_image_sends_its_gradient_back(kind: str) -> None:
    torch.manual_seed(1)
    images = (torch.rand(16, 3, 8, 8) + 1).requires_grad_()
    seen = Adaptive(start=0.0, **EVERYTHING)(images) if kind == "adaptive" else KINDS[kind]()(images)
    (seen * torch.rand_like(seen).add(1)).sum().backward()
    hidden = seen.eq(0) if kind == "cutout" else torch.zeros_like(seen, dtype=torch.bool)
    assert images.grad is not None and torch.equal(images.grad.eq(0), hidden)


def test_images_are_shifted_whole_pixels() -> None:
    torch.manual_seed(0)
    images = torch.zeros(64, 1, 16, 8)
    images[:, :, 8, 4] = 1
    images.requires_grad_(True)
    moved = Translation(share=0.125)(images)
    assert moved.flatten(1).sum(1).eq(1).all()
    places = moved.flatten(1).argmax(1)
    assert {*(places // 8).tolist()} == {6, 7, 8, 9, 10} and {*(places % 8).tolist()} == {3, 4, 5}
    moved.sum().backward()
    assert images.grad is not None and images.grad[:, :, 8, 4].eq(1).all()


def test_colours_change_as_much_as_published() -> None:
    torch.manual_seed(0)
    flat = torch.full((4096, 3, 1, 1), 0.25)  # grey and even: only brightness changes it
    brighter = Colour(brightness=0.5, saturation=1.0, contrast=0.5)(flat) - flat
    assert brighter.min().item() == pytest.approx(-0.5, abs=0.01) and brighter.std().item() == pytest.approx(
        1 / 12**0.5, abs=0.01
    )
    edge = torch.tensor([-0.5, 0.5]).expand(4096, 3, 1, 2)
    contrast = Colour(brightness=0.5, saturation=1.0, contrast=0.5)(edge).diff(dim=3)[:, 0, 0, 0]
    assert contrast.aminmax() == pytest.approx((0.5, 1.5), abs=0.01)
    red = torch.tensor([0.6, 0.0, 0.0])[:, None, None].expand(4096, 3, 1, 1)
    seen = Colour(brightness=0.0, saturation=1.0, contrast=0.0)(red)
    torch.testing.assert_close(seen.mean(1), torch.full((4096, 1, 1), 0.2))
    factors = (seen[:, 0] - seen[:, 1]).flatten() / 0.6
    assert factors.aminmax() == pytest.approx((0, 2), abs=0.01) and factors.mean().item() == pytest.approx(1, abs=0.05)


def test_the_hole_is_half_as_long_as_the_image_and_its_centre_anywhere() -> None:
    torch.manual_seed(0)
    holes = Cutout(share=0.5)(torch.ones(512, 3, 8, 4)).eq(0)
    assert torch.equal(holes.all(1), holes.any(1))
    rows, columns = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    assert {*rows.tolist()} == {2, 3, 4} and {*columns.tolist()} == {1, 2}
    assert holes[:, 0].sum((1, 2)).eq(rows * columns).all()
    assert rows.eq(4).float().mean().item() == pytest.approx(5 / 9, abs=0.07)


def test_noise_fades_out_and_the_clock_comes_back() -> None:
    torch.manual_seed(0)
    noise, images = InstanceNoise(deviation=0.2, until=1000), torch.zeros(8, 3, 32, 32)
    for images_seen, expected in ((0, 0.2), (250, 0.15), (1000, 0.0), (2000, 0.0)):
        noise.adjust(torch.zeros(8), torch.zeros(8), 8, images_seen)
        assert noise(images).std().item() == pytest.approx(expected, rel=0.03)
    fresh = InstanceNoise(deviation=0.2, until=1000)
    fresh.load_state_dict(noise.state_dict())
    assert fresh.images_seen.item() == 2000
