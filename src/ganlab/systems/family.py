"""What a family of GANs implements, and what metrics, previews, exports and tools ask of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import lightning as L
import torch
from torch import Tensor, nn

from ganlab.images import Range, to_bytes
from ganlab.objectives.regularizers import Regularizer
from ganlab.systems.adversary import Adversary
from ganlab.systems.request import BLOCK, Request
from ganlab.systems.stages import Stage
from ganlab.systems.update import DISCRIMINATOR, GENERATOR
from ganlab.transfer import Batch


class Family(L.LightningModule, ABC):
    """The interface of `ganlab.systems.adversarial.AdversarialSystem`, which trains what a subclass describes.

    Attributes:
        learns_from: pictures that it needs in a batch: ``images``, or ``inputs``, ``targets`` and ``masks``, or the
            domains ``a`` and ``b``.
        classes: of a conditional family; 0 for none.
        value_range: of the images that its networks see and make.
        networks: by name.
        averages: moving averages of generating networks, by name.
        seed: of everything that training draws.
        scalars: what `loss` notes besides its terms: detached scalars, logged by these names.
    """

    learns_from: ClassVar[tuple[str, ...]] = ("images",)
    classes: int = 0
    value_range: Range = (-1.0, 1.0)
    networks: nn.ModuleDict
    averages: nn.ModuleDict
    seed: int
    scalars: Batch

    @classmethod
    def from_roles(
        cls,
        networks: Mapping[str, Callable[[], Any]],
        optimizers: Mapping[str, Callable],
        adversary: Callable[..., Adversary],
        regularizers: Callable[[], Mapping[str, Regularizer]],
        **options: Any,
    ) -> Self:
        """Build the family from what is configured by role; each call of a factory makes an object of its own.

        By default it is one of a generator and a discriminator, and its constructor takes them in this order.

        Args:
            networks: by role.
            optimizers: by role; each makes an optimiser from parameters.
            adversary: of one discriminator, whose name it takes as ``name``.
            regularizers: of one generator, by name.
            **options: of the loop and of the config group ``system``.
        """
        made = {role: make() for role, make in networks.items()}
        build: Any = cls  # a family with other networks overrides this
        pair = made[GENERATOR], made[DISCRIMINATOR]
        family: Self = build(*pair, optimizers, adversary(), regularizers=regularizers(), **options)
        return family

    # What training asks

    @abstractmethod
    def prepare(self, batch: Batch) -> Batch:
        """Convert a minibatch as the data holds it to what the networks see."""

    @abstractmethod
    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Add what fresh fakes are made from, drawn for the global minibatch, this rank's slice kept (`local`)."""

    @abstractmethod
    def generate(self, batch: Batch) -> Batch:
        """Make the fakes of a minibatch."""

    @abstractmethod
    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        """Return the named terms of a player's loss, scalars. Their weighted sum is minimised."""

    def after_step(self, player: str) -> None:  # noqa: B027 - most families do nothing
        """Follow a player's step."""

    def enter_stage(self, stage: Stage) -> None:  # noqa: B027 - most families have one stage
        """Prepare networks and averages for a stage, once: before its first minibatch, checkpoint and preview.

        Optimisers hold the parameters of the start: a stage adds none.
        """

    def check_labels(self, labels: Any) -> None:  # noqa: B027 - most families take none
        """Raise ``UserError`` where a family cannot be trained with the data's labels, an array of all or None."""

    def differentiated_twice(self) -> list[str]:
        """Name what differentiates a network twice, which goes through the uncompiled network."""
        return []

    # What metrics, previews, exports and tools ask

    def tasks(self) -> tuple[str, ...]:
        """Return what it can be asked for: ``""``, or the directions of a translation, ``a_to_b`` and ``b_to_a``."""
        return ("",)

    @abstractmethod
    def decode(self, request: Request, seed: int, task: str = "") -> Tensor:
        """Return the images of a request: floats (N, C, H, W) in ``value_range``, differentiable in its latents."""

    @torch.no_grad()
    def respond(self, request: Request, seed: int, task: str = "") -> Tensor:
        """Return the images of a request: uint8 (N, C, H, W)."""
        return to_bytes(self.decode(request, seed, task), self.value_range)

    def labels_for(self, request: Request, seed: int) -> Tensor | None:
        """Return the classes (N,) of a request's images, given or drawn; None without classes."""
        return None

    @abstractmethod
    def sampling_protocol(self) -> dict[str, Any]:
        """Return how images are made: what a metric has to state with its value."""

    def sample(self, count: int, seed: int = 0, label: int | None = None) -> Tensor:
        """Return the first ``count`` samples of a seed, uint8 (count, C, H, W) on the CPU, of one class if given."""
        labels = None if label is None else torch.full((count,), label)
        request = Request(torch.arange(count), labels=labels)
        parts = [request.rows(slice(start, start + BLOCK)) for start in range(0, count, BLOCK)]
        return torch.cat([self.respond(part, seed).cpu() for part in parts])

    def preview_images(self, references: Mapping[str, Request]) -> Batch:
        """Return pictures for a person to look at, by name: uint8 (N, C, H, W), of the same requests every time.

        Args:
            references: a request for each task. Inputs and targets stand left and right of the output.
        """
        previews = {}
        for task, request in references.items():
            output = self.respond(request, self.seed, task).cpu()
            row = [pictures for pictures in (request.inputs, output, request.targets) if pictures is not None]
            in_colour = [pictures.expand(-1, 3, -1, -1) for pictures in row]
            previews[task or "images"] = torch.cat(in_colour, dim=3) if len(row) > 1 else output
        return previews

    def ema_or_raw(self, name: str) -> Any:
        """Return the network that images are made with: the moving average where there is one."""
        return self.averages[name].network if name in self.averages else self.networks[name]
