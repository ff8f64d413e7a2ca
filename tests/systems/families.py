"""Tiny families: those of pictures into pictures, and a GAN that grows, which exists here alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from ganlab.images import to_floats
from ganlab.networks import context_encoder as context_networks
from ganlab.networks import cyclegan as cyclegan_networks
from ganlab.networks import pix2pix as pix2pix_networks
from ganlab.objectives.losses import LeastSquares, NonSaturating, Objective
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.adversary import Adversary, Moment
from ganlab.systems.clock import generator_of, seed_step
from ganlab.systems.context_encoder import ContextEncoder
from ganlab.systems.cyclegan import CycleGAN
from ganlab.systems.family import Batch
from ganlab.systems.pix2pix import Pix2Pix
from ganlab.systems.request import BLOCK, Request
from ganlab.systems.stages import Growing, Stage
from ganlab.systems.update import Player, UpdateRule, generator_first, in_turn, sequential

SEED = 7
SIDE = 16


adam = partial(torch.optim.Adam, lr=0.01, betas=(0.5, 0.999))
OPTIMIZERS = {"generator": adam, "discriminator": adam}


def pix2pix(normalization: str = "none", **options: Any) -> Pix2Pix:
    seed_step(SEED, 0, 0)
    shape = {"image_size": SIDE, "channels": 1, "normalization": normalization}
    generator = pix2pix_networks.Generator(input_channels=1, width=2, **shape)
    discriminator = pix2pix_networks.Discriminator(condition_channels=1, width=2, layers=1, **shape)
    options = {"weights": {"l1": 100.0}, "seed": SEED} | options
    return Pix2Pix(generator, discriminator, OPTIMIZERS, Adversary(NonSaturating()), sequential(), **options)


def context_encoder(normalization: str = "none", region: str = "centre", **options: Any) -> ContextEncoder:
    seed_step(SEED, 0, 0)
    shape = {"image_size": SIDE, "channels": 1, "width": 4, "region": region, "normalization": normalization}
    generator = context_networks.Generator(bottleneck_units=6, **shape)
    discriminator = context_networks.Discriminator(**shape)
    weights = {"adversarial": 0.001, "l2": 0.999, "discriminator": {"adversarial": 1.0}}
    options = {"weights": weights, "seed": SEED, "statistics": "running"} | options
    return ContextEncoder(generator, discriminator, OPTIMIZERS, Adversary(NonSaturating()), sequential(), **options)


def cycle(
    update: UpdateRule,
    replay: int = 10,
    objective: Callable[[], Objective] = LeastSquares,
    normalization: str = "none",
    **options: Any,
) -> CycleGAN:
    seed_step(SEED, 0, 0)
    shape = {"image_size": SIDE, "channels": 1, "normalization": normalization, "width": 2}
    networks = {
        "generator": partial(cyclegan_networks.Generator, input_channels=1, blocks=1, dropout=0.5, **shape),
        "discriminator": partial(pix2pix_networks.Discriminator, condition_channels=0, layers=1, **shape),
    }
    options = {"weights": {"cycle": 10.0, "discriminator": {"adversarial": 0.5}}, "seed": SEED} | options
    adversary = lambda **given: Adversary(objective(), replay=replay, **given)  # noqa: E731
    return CycleGAN.from_roles(networks, OPTIMIZERS, adversary, dict, update=update, **options)


LUA = ("a_to_b", "d_b", "b_to_a", "d_a")


def cycle_of_two(**options: Any) -> CycleGAN:
    """PyTorch's form: one player with both generators steps first, then one with both discriminators."""
    return cycle(options.pop("update", generator_first()), **options)


def cycle_of_four(**options: Any) -> CycleGAN:
    """Lua's form: four players in turn, each with fresh fakes."""
    return cycle(options.pop("update", in_turn(LUA)), **options)


class GrowingGenerator(nn.Module):
    """Latents to pictures of full resolution, whatever the stage."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, (SIDE // 2) ** 2), nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, latents: Tensor, stage: Stage) -> Tensor:
        old = interpolate(self.first(latents).view(-1, 1, SIDE // 2, SIDE // 2), scale_factor=2)
        return old if stage.index == 0 else torch.lerp(old, self.second(old), stage.fade)


class GrowingGAN(AdversarialSystem):
    """Two levels: the second one fades in, with smaller batches, and moments are reset twice."""

    def __init__(self, **loop: Any) -> None:
        seed_step(SEED, 0, 0)
        discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(SIDE**2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Flatten(0)
        )
        networks = {"generator": GrowingGenerator(), "discriminator": discriminator}
        players = {name: Player((name,), adam, role=name) for name in ("discriminator", "generator")}
        stages = Growing(SIDE // 2, SIDE, fading=40, stable=48, batch_sizes={SIDE: 4}, rates={SIDE: 0.5})
        super().__init__(networks, players, sequential(), stages=stages, seed=SEED, **loop)
        self.adversary, self.entered = Adversary(NonSaturating()), list[int]()

    def enter_stage(self, stage: Stage) -> None:
        self.entered.append(stage.index)
        if stage.index == 1:  # the new layer begins as the identity, as SinGAN's begin as copies
            with torch.no_grad():
                self.networks["generator"].second.weight.zero_()[0, 0, 1, 1] = 1.0

    def prepare(self, batch: Batch) -> Batch:
        images = to_floats(batch["images"], self.value_range)
        coarse = interpolate(avg_pool2d(images, 2), scale_factor=2)
        return {"images": coarse if self.stage.index == 0 else torch.lerp(coarse, images, self.stage.fade)}

    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        count = len(batch["images"]) * self.trainer.world_size
        return batch | {"latents": self.local(torch.randn(count, 3, generator=rng))}

    def generate(self, batch: Batch) -> Batch:
        return {"images": self.networks["generator"](batch["latents"], self.stage)}

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        network = self.networks["discriminator"]
        if player == "generator":
            return self.adversary.generator_loss(network, batch, fakes, player)
        moment = Moment(self.seed, self.clock.images_seen, self.clock.steps[player])
        return self.adversary.discriminator_loss(network, network, batch, fakes, moment)

    def decode(self, request: Request, seed: int, task: str = "") -> Tensor:
        blocks = [(torch.randn(BLOCK, 3, generator=generator_of(seed, n)), rows) for n, rows in request.blocks()]
        latents = torch.empty(len(request), 3)
        for drawn, rows in blocks:
            latents[rows] = drawn[request.indices[rows] % BLOCK]
        return self.ema_or_raw("generator")(latents.to(self.device), self.stage)

    def sampling_protocol(self) -> dict[str, Any]:
        return {}


FAMILIES: dict[str, Callable[..., AdversarialSystem]] = {
    "pix2pix": pix2pix,
    "context_encoder": context_encoder,
    "cycle_of_two": cycle_of_two,
    "cycle_of_four": cycle_of_four,
    "growing": GrowingGAN,
}
