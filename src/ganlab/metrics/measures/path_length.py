"""Perceptual path length (Karras et al., 2019, section 4.1)."""

from typing import Any

import torch
from torch import Tensor, nn

from ganlab.arguments import Count, Positive, checked
from ganlab.errors import UserError
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.extractors.precision import full_precision
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import PerSampleMetric
from ganlab.systems.clock import generator_of
from ganlab.systems.gan import GAN
from ganlab.systems.request import BLOCK, Request
from ganlab.systems.update import GENERATOR

PATHS = 2  # stream of their latents
PROBES = 64  # latents by which the prior is recognised
DISCARDED = 0.01  # share of the shortest and of the longest paths that is left out (authors' code)


@checked
class PathLength(PerSampleMetric):
    """How fast features of the images change along paths of latents; lower is smoother.

    The mean of |f(G(z(t))) - f(G(z(t + epsilon)))|^2 / epsilon^2 over paths z between two latents, at random t in
    [0, 1] ("full" paths), without the shortest and the longest 1 %. Paths are spherical for normal and spherical priors
    and straight for uniform ones. Images are floats, neither rounded nor clamped.

    f is the feature network in the name, ``path_length_inception``; the paper uses LPIPS of VGG-16, so the scales
    differ. A collapsed generator has short paths, so it chooses no checkpoint. torch-fidelity offers LPIPS only, and
    t = 0. There is one path a sample, ``samples`` at most; each costs two more images and their features. The paper's
    epsilon is 1e-4.
    """

    needs = Features
    row_dtype = torch.float64

    def __init__(self, features: Features, samples: Count, epsilon: Positive) -> None:
        super().__init__(limit=samples)
        self.features, self.samples, self.epsilon = features, samples, epsilon
        self.names = (f"path_length_{features.name}",)
        self.paths: str | None = None
        self._system: tuple[GAN, ...] = ()  # in a tuple: not a module of this one

    def take_system(self, system: Any, seed: int) -> None:
        if not isinstance(system, GAN):
            raise UserError("path_length needs a generator of images from latents: leave it out of metrics=[...]")
        self._system, self._seed = (system,), seed
        probes = system.generator.draw_latents(PROBES, torch.Generator().manual_seed(0))
        self.paths = "spherical" if is_spherical(probes) else "straight"

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        request = Request(batch.indices[kept].cpu())
        lengths = torch.empty(len(request), dtype=torch.float64, device=self.device)
        for number, rows in request.blocks():
            lengths[rows] = self._lengths(number)[request.indices[rows] % BLOCK]
        return lengths

    def compute(self) -> dict[str, float]:
        if self.shape is None:
            return {}
        lengths = self.in_order().sort().values
        discarded = int(DISCARDED * len(lengths))
        return {self.names[0]: lengths[discarded : len(lengths) - discarded].mean().item()}

    def protocol(self) -> dict[str, Any]:
        paths = {"paths": self.paths, "samples": self.samples, "epsilon": self.epsilon, "sampling": "full"}
        return {**self.features.protocol(), **paths, "discarded": f"{DISCARDED:.0%} at either end"}

    @torch.no_grad()
    def _lengths(self, number: int) -> Tensor:
        """Return the lengths (100,) of a block of paths, which pass the generator together."""
        (system,) = self._system
        network, rng = system.generator, generator_of(self._seed, number, PATHS)
        first, second = network.draw_latents(BLOCK, rng), network.draw_latents(BLOCK, rng)
        labels = system.draw_labels(BLOCK, rng) if system.classes else None
        positions = torch.rand(BLOCK, 1, generator=rng, dtype=torch.float64)
        ends, (low, high) = [], system.value_range
        statistics = system.ema_or_raw(GENERATOR).sampling_statistics
        for step in (0.0, self.epsilon):
            latents = interpolate(first, second, positions + step, self.paths == "spherical").float()
            with full_precision(self.device):  # TF32 would round more than a step moves an image
                request = Request.first(BLOCK, latents=latents, labels=labels, statistics=statistics)
                images = (system.decode(request, self._seed).float() - low) * (255 / (high - low))
                ends.append(self.features(images.to(self.device)).double())
        return (ends[1] - ends[0]).square().sum(dim=1) / self.epsilon**2


def is_spherical(latents: Tensor) -> bool:
    """Return whether paths between such latents (n, L) are spherical: those of all priors but uniform ones."""
    lengths = latents.norm(dim=1)
    on_sphere = bool((lengths - lengths.mean()).abs().max() < 1e-3 * lengths.mean())
    return on_sphere or latents.abs().max().item() > 3**0.5 + 1e-6  # the wider of the two uniform priors


def interpolate(first: Tensor, second: Tensor, positions: Tensor, spherical: bool) -> Tensor:
    """Return latents (n, L), float64, at positions (n, 1) from the first (0) to the second (1).

    Spherical paths turn with constant speed and keep the lengths of the ends (Shoemake, 1985; White, 2016).
    """
    first, second = first.double(), second.double()
    if not spherical:
        return first + (second - first) * positions
    cosine = nn.functional.cosine_similarity(first, second, dim=1)[:, None].clamp(-1, 1)
    angle = cosine.acos().clamp(min=1e-9)  # equal ends: a path of no length
    return (((1 - positions) * angle).sin() * first + (positions * angle).sin() * second) / angle.sin()
