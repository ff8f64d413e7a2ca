"""Latent priors, and the base class of generators that take latents."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.networks.layers.choosing import choose
from ganlab.networks.statistics import STATISTICS

PRIORS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "uniform": lambda z, rng: z.uniform_(-1, 1, generator=rng),
    "uniform_unit_variance": lambda z, rng: z.uniform_(-(3**0.5), 3**0.5, generator=rng),
    "normal": lambda z, rng: z.normal_(generator=rng),
    "spherical": lambda z, rng: functional.normalize(z.normal_(generator=rng)).mul_(z.shape[1] ** 0.5),
}


class LatentGenerator(nn.Module):
    """Base class of generators: the interface that systems and tools use.

    ``forward`` maps latents (N, latent_size), and labels (N,) if there are ``classes``, to images (N, channels, H, W)
    in ``value_range``. The ``prior`` is ``uniform`` on [-1, 1], ``uniform_unit_variance`` on [-sqrt 3, sqrt 3],
    ``normal`` N(0, 1), or ``spherical``, uniform on the sphere of radius sqrt ``latent_size``.
    """

    def __init__(
        self,
        latent_size: int,
        prior: str,
        sampling_statistics: str,  # of batch norm: ``running`` averages, of the ``batch``, or ``standing``
        standing_batches: int,  # fresh batches that ``standing`` statistics are averaged over
        value_range: tuple[float, float],
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.latent_size, self.prior = latent_size, choose(PRIORS, prior, "prior")
        choose(STATISTICS, sampling_statistics, "sampling statistics")
        self.sampling_statistics, self.standing_batches = sampling_statistics, standing_batches
        self.value_range, self.classes = value_range, classes

    def draw_latents(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw (count, latent_size) latents from the prior with a CPU generator: the same on every device."""
        return self.prior(torch.empty(count, self.latent_size), rng)
