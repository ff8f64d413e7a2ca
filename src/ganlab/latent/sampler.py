"""A generator as a function from latents to images."""

import torch
from torch import Tensor

from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.choosing import choose
from ganlab.networks.statistics import STATISTICS, sampling
from ganlab.systems.clock import generator_of
from ganlab.systems.gan import standing_statistics
from ganlab.systems.images import to_bytes


class Sampler:
    """Maps latents to images with fixed batch-norm statistics.

    With ``standing`` statistics (the default) or ``running`` ones an image depends on its latent alone, so that walks
    are smooth and sums compare. With ``batch``, as the authors sample, it also depends on its batch mates.

    Args:
        network: any generator of the project; of a system, ``system.sampler("generator")``.
        label: class of all images, for a conditional generator.
        statistics: ``standing``, ``running`` or ``batch``, see `ganlab.networks.statistics`.
        batch_size: latents per pass.
        seed: of the batches that standing statistics are averaged over; with a system's own, those of `GAN.show`.

    Raises:
        ValueError: the label is not one of the generator's classes, or the statistics are unknown.
    """

    def __init__(
        self,
        network: LatentGenerator,
        label: int | None = None,
        statistics: str = "standing",
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        choose(STATISTICS, statistics, "batch norm's statistics")
        if label is None and network.classes:
            raise ValueError(f"the generator has classes 0 to {network.classes - 1}: give a label")
        if label is not None and not 0 <= label < network.classes:
            known = f"classes 0 to {network.classes - 1}" if network.classes else "no classes"
            raise ValueError(f"label={label} does not exist: the generator has {known}")
        self.network, self.label, self.statistics, self.batch_size = network, label, statistics, batch_size
        self.device = next(network.parameters()).device
        self.standing = standing_statistics(network, seed) if statistics == "standing" else None

    def __call__(self, latents: Tensor) -> Tensor:
        """Return uint8 images (..., C, H, W) on the CPU of latents (..., latent_size)."""
        flat = latents.reshape(-1, latents.shape[-1]).float().to(self.device)
        shown = []
        with sampling(self.network, self.statistics, self.standing):
            for batch in flat.split(self.batch_size):
                images = self.network(batch, *self._labels(torch.full((len(batch),), self.label or 0)))
                shown.append(to_bytes(images, self.network.value_range).cpu())
        images = torch.cat(shown)
        return images.reshape(*latents.shape[:-1], *images.shape[1:])

    def draw(self, count: int, *key: int) -> Tensor:
        """Draw (count, latent_size) latents from the prior; equal keys (integers) give equal ones."""
        return self.network.draw_latents(count, generator_of(*key))

    def _labels(self, labels: Tensor) -> tuple[Tensor, ...]:
        return (labels.to(self.device),) if self.network.classes else ()
