"""A generator of images from latents against one discriminator: the GAN of Goodfellow et al. and of DCGAN."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.networks.layers import sampling
from ganlab.objectives.losses import Objective
from ganlab.objectives.penalties import Penalty
from ganlab.systems.adversarial import AdversarialSystem, Batch, Player
from ganlab.systems.clock import generator_of
from ganlab.systems.images import Range, to_bytes, to_floats
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, UpdateRule

GRID = 64  # latents of the fixed grid


class GAN(AdversarialSystem):
    """Two players, ``discriminator`` and ``generator``.

    Args:
        generator: with ``draw_latents``, ``value_range`` and ``sampling_statistics``, see `ganlab.networks.dcgan`.
        discriminator: images to logits.
        optimizers: of the players, by name: each makes an optimiser from parameters.
        objective: losses of both players.
        update: see `ganlab.systems.update`.
        penalties: by name; terms added to the discriminator's loss.
        augmentations: applied in turn to all that the discriminator sees.
        **loop: ``seed``, ``accumulate``, ``half_life`` and ``clip_norm`` of `AdversarialSystem`.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: nn.Module,
        optimizers: Mapping[str, Callable],
        objective: Objective,
        update: UpdateRule,
        penalties: Mapping[str, Penalty] | None = None,
        augmentations: Iterable[Callable[[Tensor], Tensor]] = (),
        **loop: Any,
    ) -> None:
        players = {
            DISCRIMINATOR: Player(discriminator, optimizers[DISCRIMINATOR], generates=False),
            GENERATOR: Player(generator, optimizers[GENERATOR], generates=True),
        }
        super().__init__(players, update, **loop)
        self.objective, self.penalties, self.augmentations = objective, dict(penalties or {}), list(augmentations)
        self.value_range: Range = generator.value_range

    @property
    def generator(self) -> Any:
        """The network in training, not its average."""
        return self.networks[GENERATOR]

    def prepare(self, batch: Batch) -> Batch:
        """Convert uint8 (N, H, W, C) images to floats (N, C, H, W) in the generator's range."""
        return batch | {"images": to_floats(batch["images"], self.value_range)}

    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Add latents (N, latent_size)."""
        count = len(batch["images"]) * self.trainer.world_size
        return batch | {"latents": self.local(self.generator.draw_latents(count, rng))}

    def generate(self, batch: Batch) -> Batch:
        """Map latents to images."""
        return {"images": self.generator(batch["latents"])}

    def judge(self, images: Tensor) -> Tensor:
        """Return the discriminator's logits (N,) of augmented images."""
        for augment in self.augmentations:
            images = augment(images)
        return self.networks[DISCRIMINATOR](images).float()

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        """Return the objective's loss and, for the discriminator, the penalties that are due.

        Real and fake images pass the discriminator apart, each with batch statistics of its own (authors' code).
        """
        real, fake = batch["images"], fakes["images"]
        if player == GENERATOR:
            real_logits = self.judge(real) if self.objective.generator_needs_real else None
            return {"adversarial": self.objective.generator(real_logits, self.judge(fake))}
        terms = {"adversarial": self.objective.discriminator(self.judge(real), self.judge(fake))}
        for name, penalty in self.penalties.items():
            if self.clock.steps[DISCRIMINATOR] % penalty.interval == 0:
                terms[name] = penalty(self.judge, real, fake)
        return terms

    def generation_batch(self, index: int, size: int, seed: int) -> Tensor:
        """Return images of latents drawn from (seed, index), by the averaged generator where there is one."""
        network = self.sampler(GENERATOR)
        latents = network.draw_latents(size, generator_of(seed, index)).to(self.device)
        with sampling(network, network.sampling_statistics):
            return to_bytes(network(latents), self.value_range)

    def exhibit(self) -> Batch:
        """Return images of one fixed grid of latents."""
        return {"images": self.generation_batch(0, GRID, self.seed)}

    def sampling_protocol(self) -> dict[str, Any]:
        """Return the batch norm's mode and whether the generator is a moving average."""
        statistics = self.sampler(GENERATOR).sampling_statistics
        return {"batch_norm": statistics, "ema": GENERATOR in self.averages}
