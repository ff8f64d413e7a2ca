"""CycleGAN (Zhu et al. 2017): two domains without pairs, and a translation each way."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor

from ganlab.arguments import Share, checked
from ganlab.images import to_floats
from ganlab.objectives.regularizers import Regularizer
from ganlab.systems.adversary import Adversary
from ganlab.systems.request import Request
from ganlab.systems.translation import Translation
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, Player, UpdateRule
from ganlab.transfer import Batch

OTHER = {"a": "b", "b": "a"}
TASKS = ("a_to_b", "b_to_a")  # the generators' names; d_a and d_b see the pictures of their domains


@checked
class CycleGAN(Translation):
    """Terms of the generators are ``adversarial`` and ``identity`` of each, and ``cycle`` of each domain.

    By the names in ``update`` there are two players, ``generator`` with both generators and ``discriminator`` (PyTorch
    code), or four, each with the network that it is named after (Lua code); each generator then steps on both cycles.
    The adversarial terms are those of the paper and its code, without the factor that `Objective.factor` states.

    Args:
        networks: ``a_to_b``, ``b_to_a``, ``d_a`` and ``d_b``.
        optimizers: by role; each makes an optimiser from parameters.
        adversaries: ``d_a`` and ``d_b``.
        update: see `ganlab.systems.update`.
        regularizers: by name, of each generator.
        identity: weight of ``identity``, in shares of that of ``cycle``.
        **options: of `Translation`.

    Raises:
        ValueError: a discriminator expects inputs as well as images.
    """

    learns_from = ("a", "b")

    def __init__(
        self,
        networks: Mapping[str, Any],
        optimizers: Mapping[str, Callable],
        adversaries: Mapping[str, Adversary],
        update: UpdateRule,
        regularizers: Mapping[str, Mapping[str, Regularizer]] | None = None,
        *,
        identity: Share = 0.5,
        weights: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if getattr(networks["d_a"], "condition_channels", 0):
            raise ValueError("CycleGAN's discriminators see a picture alone: type architecture.condition_channels=0")
        roles = {name: GENERATOR if name in TASKS else DISCRIMINATOR for name in networks}
        if any(name in networks for iteration in update for phase in iteration for name in phase.players):
            players = {name: Player((name,), optimizers[role], role) for name, role in roles.items()}
        else:
            owned = {
                role: tuple(name for name in networks if roles[name] == role) for role in (GENERATOR, DISCRIMINATOR)
            }
            players = {role: Player(names, optimizers[role], role) for role, names in owned.items()}
        given = weights or {}
        options["weights"] = {"identity": identity * given.get("cycle", 1.0)} | dict(given)
        super().__init__(networks, players, update, adversaries, regularizers, **options)

    @classmethod
    def from_roles(
        cls,
        networks: Mapping[str, Callable[[], Any]],
        optimizers: Mapping[str, Callable],
        adversary: Callable[..., Adversary],
        regularizers: Callable[[], Mapping[str, Regularizer]],
        **options: Any,
    ) -> Self:
        made = {name: networks[GENERATOR]() for name in TASKS} | {
            name: networks[DISCRIMINATOR]() for name in ("d_a", "d_b")
        }
        adversaries = {name: adversary(name=name) for name in ("d_a", "d_b")}
        return cls(made, optimizers, adversaries, regularizers={name: regularizers() for name in TASKS}, **options)

    def prepare(self, batch: Batch) -> Batch:
        """Convert uint8 (N, H, W, C) pictures of both domains to floats (N, C, H, W)."""
        return {domain: to_floats(batch[domain], self.value_range) for domain in OTHER}

    def generate(self, batch: Batch) -> Batch:
        """Translate both domains."""
        return {task[-1]: self.compiled_or_raw(task)(batch[task[0]]) for task in TASKS}

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        """Return the terms of each network of a player, named ``term/network`` where it has several."""
        networks, terms = self.players[player].networks, Batch()
        for name in networks:
            domain = name[-1]  # of a discriminator, and of what a generator makes
            real, fake, suffix = {"images": batch[domain]}, {"images": fakes[domain]}, f"/{name}" * (len(networks) > 1)
            discriminator, generator = f"d_{domain}", f"{OTHER[domain]}_to_{domain}"
            if name == discriminator:
                found = self.tell_apart(name, generator, real, fake)
            else:
                found = self.fool(name, discriminator, real, fake)
                if self.weight(player, "identity"):
                    found["identity"] = (self.compiled_or_raw(name)(batch[domain]) - batch[domain]).abs().mean()
            if "adversarial" in found:
                found["adversarial"] = found["adversarial"] / self.adversaries[discriminator].objective.factor
            terms |= {f"{term}{suffix}": value for term, value in found.items()}
        if self.players[player].role == GENERATOR and self.weight(player, "cycle"):
            for there in TASKS:
                source, target = there[0], there[-1]
                returned = self.compiled_or_raw(f"{target}_to_{source}")(fakes[target])
                terms[f"cycle/{source}"] = (returned - batch[source]).abs().mean()
        return terms

    def tasks(self) -> tuple[str, ...]:
        return TASKS

    def translator(self, task: str) -> Any:
        return self.ema_or_raw(task)

    @torch.no_grad()
    def preview_images(self, references: Mapping[str, Request]) -> dict[str, Tensor]:
        """Return, for each task, inputs, translations, these translated back, and truths where there are, in a row."""
        previews = {}
        for task, request in references.items():
            assert request.inputs is not None
            there = self.respond(request, self.seed, task).cpu()
            back = self.respond(replace(request, inputs=there), self.seed, f"{task[-1]}_to_{task[0]}").cpu()
            row = [pictures for pictures in (request.inputs, there, back, request.targets) if pictures is not None]
            previews[task] = torch.cat([pictures.expand(-1, 3, -1, -1) for pictures in row], dim=3)
        return previews
