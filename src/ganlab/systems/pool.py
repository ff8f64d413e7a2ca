"""A pool of past fakes, so that the discriminator does not forget what the generator has left off doing."""

from typing import Any

import torch
from torch import Tensor, nn

from ganlab.transfer import send


class ImagePool(nn.Module):
    """Keeps fakes, and shows the discriminator old ones in the place of half of the new (Shrivastava et al. 2017).

    While it fills, new fakes are stored and shown. Then each is, with probability a half, exchanged for a stored one
    that is drawn at random. What it holds travels in the state dict; on continuing with several ranks all of them
    take up the first rank's pool.

    Args:
        capacity: fakes that it keeps, of each rank.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.held: dict[str, Tensor] = {}

    def forward(self, fakes: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return fakes to be shown, for named tensors (N, ...) that belong together, without a graph."""
        fakes = {name: value.detach() for name, value in fakes.items()}
        first = next(iter(fakes.values()))
        count, stored = len(first), len(next(iter(self.held.values()), ()))
        new = min(self.capacity - stored, count)
        if new:
            added = {name: value[:new] for name, value in fakes.items()}
            self.held = {n: torch.cat([self.held[n], v]) if self.held else v.clone() for n, v in added.items()}
        chosen = torch.randperm(stored)[: count - new] if stored else torch.empty(0, dtype=torch.long)
        places = new + torch.arange(len(chosen))
        exchanged = torch.rand(len(chosen)) < 0.5
        chosen, places = send(torch.stack([chosen[exchanged], places[exchanged]]), first.device)
        shown = {name: value.clone() for name, value in fakes.items()}
        for name, value in fakes.items():
            shown[name][places] = self.held[name][chosen]
            self.held[name][chosen] = value[places]
        return shown

    def get_extra_state(self) -> dict[str, Any]:
        """Return what it holds."""
        return dict(self.held)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take what a state dict holds."""
        self.held = {name: value.clone() for name, value in state.items()}

    def _apply(self, fn: Any, recurse: bool = True) -> "ImagePool":
        self.held = {name: fn(value) for name, value in self.held.items()}
        return super()._apply(fn, recurse)
