"""A GAN's generator as a function from latents to images."""

import torch
from torch import Tensor

from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.choosing import choose
from ganlab.networks.statistics import STATISTICS
from ganlab.systems.clock import generator_of
from ganlab.systems.gan import GAN
from ganlab.systems.request import Request
from ganlab.systems.update import GENERATOR


class Sampler:
    """Maps latents to images with fixed batch-norm statistics, see `GAN.decode`.

    With ``standing`` statistics (the default) or ``running`` ones an image depends on its latent alone, so that walks
    are smooth and sums compare. With ``batch``, as the authors sample, it also depends on its batch mates. The moving
    average is sampled if there is one, with ``label`` as class of all images of a conditional generator.
    """

    def __init__(self, system: GAN, label: int | None = None, statistics: str = "standing") -> None:
        choose(STATISTICS, statistics, "batch norm's statistics")
        if label is None and system.classes:
            raise ValueError(f"the generator has classes 0 to {system.classes - 1}: give a label")
        if label is not None and not 0 <= label < system.classes:
            known = f"classes 0 to {system.classes - 1}" if system.classes else "no classes"
            raise ValueError(f"label={label} does not exist: the generator has {known}")
        self.system, self.label, self.statistics = system, label, statistics
        if statistics == "standing":
            system.standing()  # taken now, before hooks on the network can change them

    @property
    def network(self) -> LatentGenerator:
        return self.system.ema_or_raw(GENERATOR)

    def __call__(self, latents: Tensor) -> Tensor:
        """Return uint8 images (..., C, H, W) on the CPU of latents (..., latent_size)."""
        flat = latents.reshape(-1, latents.shape[-1]).float()
        labels = None if self.label is None else torch.full((len(flat),), self.label)
        request = Request.first(len(flat), latents=flat, labels=labels, statistics=self.statistics)
        images = self.system.respond(request, self.system.seed).cpu()
        return images.reshape(*latents.shape[:-1], *images.shape[1:])

    def draw(self, count: int, *key: int) -> Tensor:
        """Draw (count, latent_size) latents from the prior; equal keys (integers) give equal ones."""
        return self.network.draw_latents(count, generator_of(*key))
