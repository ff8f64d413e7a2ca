from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.path_length import PathLength, interpolate, is_spherical
from ganlab.networks.latents import PRIORS, LatentGenerator
from ganlab.objectives.losses import NonSaturating
from ganlab.systems.adversary import Adversary
from ganlab.systems.gan import GAN
from ganlab.systems.update import sequential


class Linear(LatentGenerator):
    """Images whose 12 pixels are linear in the latents, from -1 to 1 of value range; a class adds nothing."""

    def __init__(self, prior: str, gain: float, classes: int = 0) -> None:
        super().__init__(12, prior, "running", 1, (-1.0, 1.0), classes)
        self.gain = gain

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        assert (labels is not None) == (self.classes > 0)
        return (self.gain * latents).view(-1, 3, 2, 2)


class Logits(nn.Module):
    """A discriminator that is never asked."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes


def system_of(generator: Linear) -> GAN:
    optimizers = dict.fromkeys(("generator", "discriminator"), torch.optim.Adam)
    return GAN(generator, Logits(generator.classes), optimizers, Adversary(NonSaturating()), sequential())


def measure(pixels: type, generator: Linear, samples: int = 1000, size: int = 500) -> tuple[float, PathLength]:
    metric = PathLength(pixels(12), samples, epsilon=1e-4)
    metric.take_system(system_of(generator), 7)
    for indices in torch.arange(2000).split(size):
        metric.update(Generated(torch.zeros(len(indices), 3, 2, 2, dtype=torch.uint8), None, indices))
    return metric.compute()["path_length_pixels"], metric


@pytest.mark.parametrize(("prior", "classes"), [("uniform", 0), ("uniform_unit_variance", 3)])
def test_straight_paths_of_a_linear_generator_in_closed_form(prior: str, classes: int, pixels: type) -> None:
    """A pixel is 127.5 x gain x latent: the mean squared speed is (127.5 x gain)^2 x 12 x 2 x variance."""
    value, metric = measure(pixels, Linear(prior, 0.01, classes))
    variance = 1 / 3 if prior == "uniform" else 1
    assert value == pytest.approx(1.275**2 * 12 * 2 * variance, rel=0.05)
    assert metric.protocol()["paths"] == "straight"


@pytest.mark.parametrize("prior", ["normal", "spherical"])
def test_spherical_paths_of_a_linear_generator(prior: str, pixels: type) -> None:
    """On a sphere of radius sqrt 12 the speed is the angle, near pi / 2, times the radius."""
    value, metric = measure(pixels, Linear(prior, 0.01))
    ends = [PRIORS["normal"](torch.empty(20_000, 12), torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    angle = nn.functional.cosine_similarity(*ends).acos().square().mean().item()
    assert value == pytest.approx(1.275**2 * 12 * angle, rel=0.05)
    assert metric.protocol()["paths"] == "spherical"


def test_scales_with_the_square_of_the_speed_and_counts_samples_once(pixels: type) -> None:
    slow, metric = measure(pixels, Linear("normal", 0.01), samples=700)
    assert len(metric.in_order()) == 700
    assert measure(pixels, Linear("normal", 0.03), samples=700)[0] == pytest.approx(9 * slow, rel=1e-2)
    for size in (500, 70):
        assert measure(pixels, Linear("normal", 0.01), samples=700, size=size)[0] == slow
    assert measure(pixels, Linear("normal", 0.0))[0] == 0


@pytest.mark.parametrize("size", [2, 3, 100])
def test_priors_are_told_apart(size: int) -> None:
    rng = torch.Generator().manual_seed(0)
    found = {name: is_spherical(draw(torch.empty(64, size), rng)) for name, draw in PRIORS.items()}
    assert found == {"uniform": False, "uniform_unit_variance": False, "normal": True, "spherical": True}


def test_paths_have_their_ends_and_keep_their_length() -> None:
    first, second = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    for spherical, middle in ((False, [1.0, 1.0]), (True, [2**0.5, 2**0.5])):
        for place, expected in ((0.0, [2.0, 0.0]), (0.5, middle), (1.0, [0.0, 2.0])):
            found = interpolate(first, second, torch.tensor([[place]]).double(), spherical)
            assert found[0].tolist() == pytest.approx(expected)
    assert interpolate(first, first, torch.tensor([[0.3]]).double(), True).tolist() == [[2, 0]]


def test_what_has_no_latents_is_refused(pixels: type, painter: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="path_length needs a generator of images from latents"):
        PathLength(pixels(12), 10, 1e-4).take_system(painter((3, 2, 2)), 7)
    with pytest.raises(ValueError, match="epsilon=0.0 must be a number above 0"):
        PathLength(pixels(12), 10, 0.0)
