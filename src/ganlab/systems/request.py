"""Requests: what metrics, previews, exports and tools ask a system for."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

BLOCK = 100  # latents that are drawn together; under batch statistics their images are computed together as well


@dataclass(frozen=True)
class Request:
    """Images to be generated, by number.

    What is drawn for number i (latent, label, noise) comes from (seed, i // 100), row i % 100: it does not depend on
    who else is asked for, or in which batch.

    Attributes:
        indices: int64 (N,), of the images in the endless sequence of a seed.
        latents: (N, latent_size) to use instead of drawn ones.
        labels: int64 (N,) to use instead of drawn ones, where there are classes.
        inputs: pictures to translate, uint8 (N, C, H, W), or floats in the system's ``value_range``.
        targets: what they should become, where that is known, uint8 (N, C, H, W).
        masks: where a part was taken away, uint8 (N, 1, H, W), more than 0 there.
        statistics: what batch norm normalises with: ``running``, ``standing`` or ``batch``; None takes the
            generator's own.
        dropout: whether values are dropped, drawn from (seed, index); None as the system does by itself.
    """

    indices: Tensor
    latents: Tensor | None = None
    labels: Tensor | None = None
    inputs: Tensor | None = None
    targets: Tensor | None = None
    masks: Tensor | None = None
    statistics: str | None = None
    dropout: bool | None = None

    @classmethod
    def first(cls, count: int, **given: Any) -> "Request":
        """Ask for the first ``count`` images."""
        return cls(torch.arange(count), **given)

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, chosen: Tensor | slice) -> "Request":
        """Return the part of a request with these rows."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors: dict[str, Any] = {name: value[chosen] for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **tensors)

    def blocks(self) -> list[tuple[int, Tensor]]:
        """Return the number of each block that is asked for, and which rows of the request (n,) lie in it."""
        numbers = self.indices // BLOCK
        return [(int(number), (numbers == number).nonzero()[:, 0]) for number in numbers.unique()]
