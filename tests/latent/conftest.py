"""A generator whose every coordinate is known, and a classifier and a regressor of its images."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganlab.latent.sampler import Sampler
from ganlab.networks import dcgan_conditional
from ganlab.networks.dcgan import Discriminator, Generator
from ganlab.networks.latents import LatentGenerator
from ganlab.objectives.losses import NonSaturating
from ganlab.systems.adversary import Adversary
from ganlab.systems.gan import GAN
from ganlab.systems.update import sequential


class Known(LatentGenerator):
    """Coordinate 0 lights the image's upper left quarter, 1 its upper right; 2 moves a spot along the bottom."""

    def __init__(self) -> None:
        super().__init__(8, "uniform", "running", 1, (-1.0, 1.0))
        self.sharpness = nn.Parameter(torch.tensor(6.0))

    def forward(self, latents: Tensor) -> Tensor:
        images = torch.full((len(latents), 1, 8, 8), -1.0)
        lit = torch.tanh(self.sharpness * latents)
        images[:, :, :4, :4] = lit[:, 0, None, None, None]
        images[:, :, :4, 4:] = lit[:, 1, None, None, None]
        places = torch.linspace(-1, 1, 8)
        images[:, 0, 4:] = 2 * torch.exp(-4 * (places - latents[:, 2, None]) ** 2)[:, None, :] - 1
        return images


def classify(images: Tensor) -> dict[str, Tensor]:
    """Return the probabilities that the upper quarters are lit, their brightness."""
    left, right = images[:, 0, :4, :4].float().mean((1, 2)) / 255, images[:, 0, :4, 4:].float().mean((1, 2)) / 255
    return {"left": torch.stack([1 - left, left], 1), "right": torch.stack([1 - right, right], 1)}


def read(images: Tensor) -> Tensor:
    """Return the place of the spot, -1..1."""
    light = images[:, 0, 4].float()
    return (light * torch.linspace(-1, 1, 8)).sum(1) / light.sum(1)


@pytest.fixture
def known() -> Sampler:
    return Sampler(as_system(Known(), nn.Linear(64, 1)))


@pytest.fixture
def classify_known() -> Callable[[Tensor], dict[str, Tensor]]:
    return classify


@pytest.fixture
def read_known() -> Callable[[Tensor], Tensor]:
    return read


@pytest.fixture
def dcgan() -> Generator:
    torch.manual_seed(0)
    return Generator(image_size=16, channels=3, width=4, latent_size=6, deviation=0.2, standing_batches=2)


@pytest.fixture
def gan(dcgan: Generator) -> GAN:
    return as_system(dcgan, Discriminator(image_size=16, width=4))


def as_system(generator: LatentGenerator, discriminator: nn.Module) -> GAN:
    """Return networks as a system that is not trained."""
    optimizers = {name: torch.optim.SGD for name in ("generator", "discriminator")}
    return GAN(generator, discriminator, optimizers, Adversary(NonSaturating()), sequential(), seed=3)


@pytest.fixture
def conditional_gan() -> GAN:
    torch.manual_seed(0)
    sizes = {"image_size": 16, "channels": 1, "classes": 3, "width": 2}
    generator = dcgan_conditional.Generator(**sizes, latent_size=6, standing_batches=2)
    return as_system(generator, dcgan_conditional.Discriminator(**sizes))
