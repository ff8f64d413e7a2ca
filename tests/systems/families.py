"""Throw-away families: a translation of pairs, a cycle of two translations in two forms, and a GAN that grows.

They prove that a family is a small subclass: nothing outside the tests knows of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from ganlab.images import to_floats
from ganlab.objectives.losses import LeastSquares, NonSaturating
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.adversary import Adversary, Moment
from ganlab.systems.clock import generator_of, seed_step
from ganlab.systems.family import Batch
from ganlab.systems.request import BLOCK, Request
from ganlab.systems.stages import Growing, Stage
from ganlab.systems.update import Player, UpdateRule, generator_first, in_turn, sequential

SEED = 7
SIDE = 16


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01, betas=(0.5, 0.999))


class Translator(nn.Sequential):
    """Pictures to pictures; dropout is its only noise."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.Dropout(0.5),
            nn.Conv2d(4, channels, 3, padding=1), nn.Tanh(),
        )  # fmt: skip


class Patches(nn.Sequential):
    """Pictures to a map of logits (N, 1, 4, 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Conv2d(channels, 4, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 1))


def shown(pictures: Tensor) -> Tensor:
    """Return uint8 (N, C, H, W) as floats in [-1, 1]."""
    return to_floats(pictures.permute(0, 2, 3, 1), (-1.0, 1.0))


class PixToPix(AdversarialSystem):
    """Pairs: the discriminator sees the input as further channels, the generator is drawn to the target by L1."""

    learns_from = ("inputs", "targets")

    def __init__(self, **loop: Any) -> None:
        seed_step(SEED, 0, 0)
        networks = {"generator": Translator(), "discriminator": Patches(2)}
        players = {name: Player((name,), adam, role=name) for name in ("discriminator", "generator")}
        super().__init__(networks, players, sequential(), seed=SEED, **{"weights": {"l1": 100.0}, **loop})
        self.adversary = Adversary(NonSaturating())

    def prepare(self, batch: Batch) -> Batch:
        return {name: to_floats(batch[name], self.value_range) for name in ("inputs", "targets")}

    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        return batch

    def generate(self, batch: Batch) -> Batch:
        return {"images": self.networks["generator"](batch["inputs"])}

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        network, inputs = self.networks["discriminator"], batch["inputs"]
        real, fake = ({"images": images, "inputs": inputs} for images in (batch["targets"], fakes["images"]))
        if player == "discriminator":
            moment = Moment(self.seed, self.clock.images_seen, self.clock.steps[player])
            terms = self.adversary.discriminator_loss(network, network, real, fake, moment)
        else:
            terms = self.adversary.generator_loss(network, real, fake, player)
            terms["l1"] = (fakes["images"] - batch["targets"]).abs().mean()
        self.scalars = self.adversary.scalars
        return terms

    def decode(self, request: Request, seed: int, task: str = "") -> Tensor:
        assert request.inputs is not None
        network = self.ema_or_raw("generator").eval()
        try:
            return network(shown(request.inputs).to(self.device))
        finally:
            network.train()

    def sampling_protocol(self) -> dict[str, Any]:
        return {"dropout": False}


class Cycle(AdversarialSystem):
    """Two domains; ``players`` says which networks step together."""

    learns_from = ("a", "b")

    def __init__(self, players: Mapping[str, Player], update: UpdateRule, replay: int = 10, **loop: Any) -> None:
        seed_step(SEED, 0, 0)
        networks = {"a_to_b": Translator(), "b_to_a": Translator(), "d_a": Patches(1), "d_b": Patches(1)}
        super().__init__(networks, players, update, seed=SEED, **{"weights": {"cycle": 10.0}, **loop})
        adversaries = {side: Adversary(LeastSquares(), replay=replay, name=f"d_{side}") for side in "ab"}
        self.adversaries = nn.ModuleDict(adversaries)

    def prepare(self, batch: Batch) -> Batch:
        return {name: to_floats(batch[name], self.value_range) for name in ("a", "b")}

    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        return batch

    def generate(self, batch: Batch) -> Batch:
        return {"b": self.networks["a_to_b"](batch["a"]), "a": self.networks["b_to_a"](batch["b"])}

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        terms: Batch = {}
        for network in self.players[player].networks:
            side = network[-1]  # d_a and b_to_a belong to domain a
            real, fake = {"images": batch[side]}, {"images": fakes[side]}
            adversary, discriminator = self.adversaries[side], self.networks[f"d_{side}"]
            if network.startswith("d_"):
                moment = Moment(self.seed, self.clock.images_seen, self.clock.steps[player], self.trainer.world_size)
                found = adversary.discriminator_loss(discriminator, discriminator, real, fake, moment)
            else:
                found = adversary.generator_loss(discriminator, real, fake, player)
                other, back = ("a", "b_to_a") if side == "b" else ("b", "a_to_b")
                error = (self.networks[back](fakes[side]) - batch[other]).abs().mean()
                terms["cycle"] = terms["cycle"] + error if "cycle" in terms else error
            terms[f"adversarial_{side}"] = found["adversarial"]
            self.scalars |= adversary.scalars
        return terms

    def tasks(self) -> tuple[str, ...]:
        return ("a_to_b", "b_to_a")

    def decode(self, request: Request, seed: int, task: str = "") -> Tensor:
        assert request.inputs is not None
        network = self.ema_or_raw(task).eval()
        try:
            return network(shown(request.inputs).to(self.device))
        finally:
            network.train()

    def sampling_protocol(self) -> dict[str, Any]:
        return {"dropout": False}


def cycle_of_two(**loop: Any) -> Cycle:
    """PyTorch's form: one player with both generators steps first, then one with both discriminators."""
    players = {
        "generators": Player(("a_to_b", "b_to_a"), adam, "generator"),
        "discriminators": Player(("d_a", "d_b"), adam, "discriminator"),
    }
    return Cycle(players, generator_first(), **loop)


LUA = ("a_to_b", "d_b", "b_to_a", "d_a")


def cycle_of_four(**loop: Any) -> Cycle:
    """Lua's form: four players in turn, each with fresh fakes."""
    players = {
        name: Player((name,), adam, "discriminator" if name[1] == "_" and name[0] == "d" else "generator")
        for name in LUA
    }
    return Cycle(players, loop.pop("update", in_turn(LUA)), **loop)


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
    "pix2pix": PixToPix,
    "cycle_of_two": cycle_of_two,
    "cycle_of_four": cycle_of_four,
    "growing": GrowingGAN,
}
