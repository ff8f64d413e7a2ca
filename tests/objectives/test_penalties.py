"""Penalties against closed forms on discriminators whose gradients are known."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganlab.objectives.penalties import (
    R1,
    R2,
    Discriminate,
    DiscriminatorBatch,
    Dragan,
    GradientPenalty,
    LeCam,
    WeightClip,
    squared_gradient,
)

REAL, FAKE = torch.full((2, 1, 2, 2), 1.0), torch.full((2, 1, 2, 2), 3.0)


def quadratic(images: Tensor) -> Tensor:
    return images.square().flatten(1).sum(1)  # gradient 2x


def batch_of(discriminate: Discriminate, at_fake: Discriminate | None = None) -> DiscriminatorBatch:
    logits = discriminate(REAL), discriminate(FAKE)
    return DiscriminatorBatch(REAL, FAKE, *logits, discriminate, at_fake or discriminate)


def test_the_gradient_is_that_of_each_image() -> None:
    images = torch.randn(3, 2, 4, 4)
    expected = 4 * images.square().flatten(1).sum(1)
    torch.testing.assert_close(squared_gradient(quadratic, images), expected)


def test_r1_and_r2_look_at_real_and_at_fake_images() -> None:
    assert R1(10.0)(batch_of(quadratic)).item() == pytest.approx(10 / 2 * 4 * 4 * 1)
    assert R2(10.0)(batch_of(quadratic)).item() == pytest.approx(10 / 2 * 4 * 4 * 9)
    steep = batch_of(quadratic, at_fake=lambda images: 3 * quadratic(images))
    assert R2(10.0)(steep).item() == pytest.approx(9 * 10 / 2 * 4 * 4 * 9)


def test_the_gradient_penalty_of_a_plane_depends_on_its_slope_alone() -> None:
    def plane(images: Tensor) -> Tensor:
        return 3 * images.flatten(1).sum(1)  # gradient norm 3 * sqrt(4 pixels)

    assert GradientPenalty(10.0)(batch_of(plane)).item() == pytest.approx(10 * (6 - 1) ** 2)
    assert GradientPenalty(10.0, target=0.0)(batch_of(plane)).item() == pytest.approx(10 * 36)
    assert Dragan(10.0)(batch_of(plane)).item() == pytest.approx(10 * (6 - 1) ** 2)


def test_the_gradient_penalty_looks_between_real_and_fake() -> None:
    places: list[Tensor] = []

    def noting(images: Tensor) -> Tensor:
        places.append(images.detach()[:, 0, 0, 0])
        return quadratic(images)

    torch.manual_seed(0)
    found = GradientPenalty(1.0, target=0.0).measure(
        DiscriminatorBatch(torch.ones(4000, 1, 1, 1), torch.full((4000, 1, 1, 1), 3.0), REAL, FAKE, noting, noting)
    )
    (seen,) = places
    assert 1 <= seen.min() < 1.01 and 2.99 < seen.max() <= 3
    assert found.item() == pytest.approx(4 * (27 - 1) / 6, rel=0.02)  # 4 E x^2 for x uniform on [1, 3]


def test_dragan_looks_above_the_real_images_by_a_part_of_their_deviation() -> None:
    places: list[Tensor] = []

    def noting(images: Tensor) -> Tensor:
        places.append(images.detach())
        return quadratic(images)

    torch.manual_seed(0)
    real = torch.randn(2000, 1, 4, 4)
    Dragan().measure(DiscriminatorBatch(real, real, REAL, FAKE, noting, noting))
    moved = places[0] - real
    assert moved.min() >= 0 and 0.45 < moved.max() < 0.5 * real.std() + 1e-4
    assert moved.mean().item() == pytest.approx(0.5 / 4, rel=0.03)


def test_lecam_follows_the_logits_and_punishes_what_is_surer() -> None:
    penalty = LeCam(2.0, decay=0.5)
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-2.0, 0.0])
    found = penalty(DiscriminatorBatch(REAL, FAKE, real, fake, quadratic, quadratic))
    assert penalty.real_average.item() == 1 and penalty.fake_average.item() == -0.5
    assert found.item() == pytest.approx(2 * ((1.5**2 + 3.5**2) / 2 + (3**2 + 1**2) / 2))
    penalty(DiscriminatorBatch(REAL, FAKE, real, fake, quadratic, quadratic))
    assert penalty.real_average.item() == 1.5 and penalty.fake_average.item() == -0.75
    assert set(penalty.state_dict()) == {"real_average", "fake_average"}
    unsure = DiscriminatorBatch(REAL, FAKE, torch.full((2,), -5.0), torch.full((2,), 5.0), quadratic, quadratic)
    assert LeCam(decay=1.0)(unsure).item() == 0


def test_weights_are_clipped_after_a_step_and_nothing_is_added_to_the_loss() -> None:
    network, penalty = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8)), WeightClip(0.01)
    assert not any(penalty.due(step) for step in range(20))
    inside = network[0].weight.detach().clamp(-0.01, 0.01)
    penalty.bound(network)
    assert torch.equal(network[0].weight, inside)
    assert max(parameter.abs().max().item() for parameter in network.parameters()) == pytest.approx(0.01)


@pytest.mark.parametrize("make", [R1, R2, GradientPenalty, Dragan, LeCam])
def test_a_lazy_penalty_is_as_strong_on_average(make: Any) -> None:
    values = []
    for interval in (1, 16):
        torch.manual_seed(0)
        penalty = make(1.0, interval=interval)
        values.append(sum(penalty(batch_of(quadratic)).item() for step in range(16) if penalty.due(step)))
    assert values[0] == pytest.approx(values[1], rel=0.05) or make in (LeCam, GradientPenalty, Dragan)
    assert [penalty.due(step) for step in range(17)] == [True] + [False] * 15 + [True]


@pytest.mark.parametrize("make", [R1, R2, GradientPenalty, lambda weight: GradientPenalty(weight, target=0.0), Dragan])
def test_the_weights_gradient_is_that_of_finite_differences(make: Any) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 1)).double()
    real, fake = torch.randn(2, 3, 1, 4, 4).unbind()

    def value() -> Tensor:
        torch.manual_seed(1)
        logits = torch.zeros(3)
        discriminate = lambda images: network(images.double()).squeeze(1)  # noqa: E731
        return make(2.0)(DiscriminatorBatch(real, fake, logits, logits, discriminate, discriminate))

    value().backward()
    weight = network[0].weight
    for place in ((0, 0, 0, 0), (2, 0, 1, 2)):
        with torch.no_grad():
            values = []
            for step in (1e-3, -1e-3):
                weight[place] += step
                with torch.enable_grad():
                    values.append(value().item())
                weight[place] -= step
        assert weight.grad[place].item() == pytest.approx((values[0] - values[1]) / 2e-3, rel=2e-3, abs=1e-4)


def test_a_vanishing_gradient_is_no_trouble() -> None:
    scale = torch.zeros(1, requires_grad=True)
    GradientPenalty()(batch_of(lambda images: scale * images.flatten(1).sum(1))).backward()
    assert bool(scale.grad.isfinite().all())


@pytest.mark.parametrize("make", [R1, GradientPenalty, Dragan])
def test_it_computes_in_float32_under_autocast(make: Any) -> None:
    layer = nn.Conv2d(1, 4, 3)
    images = torch.randn(2, 1, 8, 8)

    def discriminate(x: Tensor) -> Tensor:
        return layer(x).square().flatten(1).sum(1)

    def measure() -> Tensor:
        torch.manual_seed(0)
        return make(1.0)(
            DiscriminatorBatch(images, -images, torch.zeros(2), torch.zeros(2), discriminate, discriminate)
        )

    expected = measure()
    with torch.autocast("cpu", torch.bfloat16):
        found = measure()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
