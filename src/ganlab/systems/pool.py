"""A pool of past fakes, so that the discriminator does not forget what the generator no longer makes."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ganlab.systems.clock import generator_of
from ganlab.transfer import send

POOL = 2  # stream of the exchanges


class ImagePool(nn.Module):
    """Keeps fakes, and shows the discriminator old ones in the place of half of the new (Shrivastava et al. 2017).

    While it fills up to ``capacity``, new fakes are stored and shown. Then each is, with probability 1/2, exchanged for
    a random stored one. There is one pool for all ranks: their fakes are gathered in rank order, every rank draws the
    same exchange, and keeps its own share. The stored fakes are part of the state dict.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.held: dict[str, Tensor] = {}
        self.drawn = (-1, 0)  # the last moment, and exchanges at it: a minibatch may come in several parts

    def forward(self, fakes: dict[str, Tensor], seed: int, images_seen: int) -> dict[str, Tensor]:
        """Return fakes to be shown without a graph, for this rank's named tensors (N, ...), which belong together.

        With several ranks, exchanges are drawn from ``seed`` and ``images_seen``, else by the global generator.
        """
        fakes = {name: value.detach() for name, value in fakes.items()}
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return self.exchange(fakes)
        self.drawn = (images_seen, self.drawn[1] + 1 if self.drawn[0] == images_seen else 0)
        everyone = {name: gathered(value) for name, value in fakes.items()}
        shown = self.exchange(everyone, generator_of(seed, *self.drawn, POOL))
        return {name: value.chunk(dist.get_world_size())[dist.get_rank()] for name, value in shown.items()}

    def exchange(self, fakes: dict[str, Tensor], rng: torch.Generator | None = None) -> dict[str, Tensor]:
        """Store fakes and return those to be shown; drawn by the global generator, or by one that is given."""
        first = next(iter(fakes.values()))
        count, stored = len(first), len(next(iter(self.held.values()), ()))
        new = min(self.capacity - stored, count)
        if new:
            added = {name: value[:new] for name, value in fakes.items()}
            self.held = {n: torch.cat([self.held[n], v]) if self.held else v.clone() for n, v in added.items()}
        empty = torch.empty(0, dtype=torch.long)
        chosen = torch.randperm(stored, generator=rng)[: count - new] if stored else empty
        places = new + torch.arange(len(chosen))
        exchanged = torch.rand(len(chosen), generator=rng) < 0.5
        chosen, places = send(torch.stack([chosen[exchanged], places[exchanged]]), first.device)
        shown = {name: value.clone() for name, value in fakes.items()}
        for name, value in fakes.items():
            shown[name][places] = self.held[name][chosen]
            self.held[name][chosen] = value[places]
        return shown

    def get_extra_state(self) -> dict[str, Any]:
        return dict(self.held)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.held = {name: value.clone() for name, value in state.items()}

    def _apply(self, fn: Any, recurse: bool = True) -> "ImagePool":
        self.held = {name: fn(value) for name, value in self.held.items()}
        return super()._apply(fn, recurse)


def gathered(value: Tensor) -> Tensor:
    """Return the tensors (N, ...) of all ranks, in their order, as one."""
    parts = [torch.empty_like(value, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, value.contiguous())
    return torch.cat(parts)
