"""A user's own pictures through a trained generator of pictures, at their own size and one at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ganlab.errors import UserError
from ganlab.networks import published
from ganlab.networks.any_size import at_any_size, fitting_side
from ganlab.networks.pix2pix import Discriminator
from ganlab.networks.statistics import sampling
from ganlab.systems.clock import seed_of
from ganlab.systems.request import Request
from ganlab.systems.translation import translated

WORKSPACE = 2  # copies of activations that libraries make for themselves, the original included
WHOLE = 48  # bytes a pixel of the picture itself, of what is made, and of weights where tiles are blended


class Translator:
    """Translates pictures of any size, as `ganlab.networks.any_size.at_any_size` does.

    Pictures do not affect each other: batch statistics are those of a picture, or a tile, by itself, and what dropout
    drops follows from (seed, index).

    Args:
        network: the generator; it has ``input_shape`` and ``value_range``, and ``multiple`` unless its size is fixed.
        respond: makes a picture (1, C', h, w) of a fitting one (1, C, h, w), both in ``value_range``, and an index.
        tile: see `at_any_size`; None passes each picture at once.

    Raises:
        UserError: pictures of its channels are none of a file, or a tile that does not fit.
    """

    def __init__(self, network: Any, respond: Callable[[Tensor, int], Tensor], tile: int | None = None) -> None:
        self.network, self.respond, self.tile = network, respond, tile
        self.channels, self.side = network.input_shape[:2]
        self.value_range = network.value_range
        self.fixed = not hasattr(network, "multiple")  # such a network takes one size
        self.multiple = self.side if self.fixed else network.multiple
        self.least = max(getattr(network, "least", 1), self.multiple)
        if self.channels not in (1, 3):
            raise UserError(f"this network takes pictures of {self.channels} channels, and files have 1 or 3")
        if tile is not None:
            self.require_tile(tile)
        activations = observe(network)
        self.made_channels = activations[-1][1].shape[1]
        if self.made_channels not in (1, 3):
            raise UserError(f"this network makes pictures of {self.made_channels} channels, and files have 1 or 3")
        pixels = self.side * network.input_shape[2]
        most = max(given.numel() + made.numel() for given, made in activations)
        self.bytes_per_pixel = WORKSPACE * most * next(network.parameters()).element_size() / pixels

    @classmethod
    def of_weights(
        cls,
        path: str | Path,
        *,
        statistics: str = "batch",
        dropout: bool = True,
        seed: int = 0,
        tile: int | None = None,
        device: torch.device | str = "cpu",
    ) -> "Translator":
        """Load a generator of the PyTorch CycleGAN and pix2pix repository, see `ganlab.networks.published.load`.

        Batch statistics and dropout are on by default, as in that repository's ``test.py`` without ``--eval``.
        """
        network = published.load(path)
        if isinstance(network, Discriminator):
            raise UserError(f"{path} holds a discriminator, which makes no pictures: give a generator (*_net_G*.pth)")
        network.to(device)

        def respond(inputs: Tensor, index: int) -> Tensor:
            with torch.no_grad():
                return translated(network, inputs, statistics, dropout, [seed_of(seed, index)])

        return cls(network, respond, tile)

    @classmethod
    def of_system(
        cls,
        system: Any,
        task: str = "",
        *,
        statistics: str | None = None,
        dropout: bool | None = None,
        seed: int = 0,
        tile: int | None = None,
    ) -> "Translator":
        """Take a generator of a family of pictures into pictures; statistics and dropout are its own by default.

        Raises:
            UserError: the system makes no pictures from pictures, or has no such task.
        """
        if not hasattr(system, "translator"):
            raise UserError("this system makes no pictures from pictures: type python src/sample.py checkpoint=FILE")
        if task not in (tasks := system.tasks()):
            if not task:
                raise UserError(f"task is missing: type task={' or task='.join(tasks)}")
            fix = f"type task={' or task='.join(tasks)}" if tasks != ("",) else "leave it out"
            raise UserError(f"task={task} is unknown to this system: {fix}")
        network = system.translator(task)

        def respond(inputs: Tensor, index: int) -> Tensor:
            request = Request(torch.tensor([index]), inputs=inputs, statistics=statistics, dropout=dropout)
            made: Tensor = system.decode(request, seed, task)
            return made

        return cls(network, respond, tile)

    @torch.no_grad()
    def __call__(self, picture: Tensor, index: int = 0) -> Tensor:
        """Return the translation (1, C', H, W), on the CPU, of a picture (1, C, H, W), both in ``value_range``.

        The index is that of what dropout drops. Memory beyond the picture is needed for one tile at a time.
        """
        parameter = next(self.network.parameters())

        def network(part: Tensor) -> Tensor:
            return self.respond(part.to(parameter), index).to("cpu", torch.float32)

        return at_any_size(network, picture, self.multiple, self.least, self.tile)

    def require_tile(self, tile: int) -> None:
        """Raise ``UserError`` for tiles that the network cannot take."""
        if self.fixed:
            raise UserError(f"tile={tile}: this network takes pictures of {self.side}x{self.side} alone, without tile=")
        if tile % self.multiple or tile < self.least:
            below = tile // self.multiple * self.multiple
            near = sorted({max(self.least, side) for side in (below, below + self.multiple)})
            raise UserError(
                f"tile={tile} must be a multiple of {self.multiple} for this network: type tile="
                f"{' or tile='.join(map(str, near))}"
            )

    def memory(self, height: int, width: int, tile: int | None = None) -> tuple[int, int]:
        """Return the bytes that a picture is estimated to need: on the network's device, and itself on the CPU."""
        tile = tile or self.tile
        sides = [fitting_side(side, self.multiple, self.least, tile) for side in (height, width)]
        padded, passing = sides[0] * sides[1], [side if tile is None else min(side, tile) for side in sides]
        return int(self.bytes_per_pixel * passing[0] * passing[1]), WHOLE * padded

    def describe(self) -> str:
        """Describe what the network takes and makes."""
        sides = f"{self.side}x{self.side}" if self.fixed else f"sides padded to multiples of {self.multiple}"
        colours = {1: "grey", 3: "colour"}
        return f"{colours[self.channels]} to {colours[self.made_channels]}, {sides}"


def observe(network: Any) -> list[tuple[Tensor, Tensor]]:
    """Return the input and output of each layer in their order, without values and without computing any."""
    found: list[tuple[Tensor, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda _, given, made: found.append((given[0], made)))
        for module in network.modules()
        if not list(module.children())
    ]
    state = {name: value.to("meta") for name, value in network.state_dict().items()}
    picture = torch.empty(1, *network.input_shape, dtype=next(network.parameters()).dtype, device="meta")
    try:
        with sampling(network, "running"):
            functional_call(network, state, picture)
    finally:
        for hook in hooks:
            hook.remove()
    return found
