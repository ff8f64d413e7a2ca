"""Metrics that look at all generated samples at once, in the order of their numbers."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.generated import Generated
from ganlab.metrics.reals import Reals


class Gathered(Metric):
    """Keeps something of every sample; ``compute`` sees all of it, from all processes, in the order of the samples.

    So values depend neither on batches nor on the number of processes.

    Args:
        limit: samples of a higher number are passed over; None for none.
    """

    needs: type[Features] | None = None
    higher_is_better: bool | None = None
    full_state_update = False
    names: tuple[str, ...]
    kind = torch.float32
    rows: list[Tensor]
    indices: list[Tensor]

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit
        self.shape: torch.Size | None = None
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.add_state("indices", [], dist_reduce_fx="cat")

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Return what is kept of those samples of a batch, a row (n, ...) each."""
        raise NotImplementedError

    def take_reals(self, reals: Reals) -> None:
        """Look at the real images, for one process alone."""

    def update(self, batch: Generated) -> None:
        """Take in a batch of generated images."""
        kept: Tensor | slice = slice(None) if self.limit is None else batch.indices < self.limit
        indices = batch.indices[kept]
        if not len(indices):
            return
        rows = self.keep(batch, kept)
        self.shape = rows.shape[1:]
        self.rows.append(rows.to(self.kind).flatten())
        self.indices.append(indices)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Exchange samples; a process without any joins with empty tensors of the right kind."""
        if not self.indices:
            self.rows.append(torch.empty(0, dtype=self.kind, device=self.device))
            self.indices.append(torch.empty(0, dtype=torch.long, device=self.device))
        super().sync(*args, **kwargs)

    def in_order(self) -> Tensor:
        """Return what was kept, (count, ...), in the order of the samples; only where this process had some."""
        assert self.shape is not None
        rows, indices = (
            state if isinstance(state, Tensor) else torch.cat(state) for state in (self.rows, self.indices)
        )
        return rows.view(len(indices), *self.shape)[indices.argsort()]


class Sampled(Gathered):
    """Compares the features of a seeded sample of the real images with those of all generated ones.

    Its values are named after the feature network, ``<value>_<network>``.

    Args:
        features: the feature network.
        values: names of the values.
    """

    needs = Features

    def __init__(self, features: Features, values: tuple[str, ...]) -> None:
        super().__init__()
        self.features = features
        self.names = tuple(f"{value}_{features.name}" for value in values)
        self.real: Tensor | None = None

    def take_reals(self, reals: Reals) -> None:
        """Remember the features of a sample of the real images, float32 (M, D)."""
        self.real = reals.features(self.features.to(reals.device))

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Keep the features (n, D)."""
        return batch.features[kept]

    def compute(self) -> dict[str, float]:
        """Return the values under their full names; nothing on processes that only lend their samples."""
        if self.real is None:
            return {}
        fake = self.in_order()
        return dict(zip(self.names, self.compare(self.real.to(fake.device), fake), strict=True))

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        """Return the values for features (M, D) of real and (N, D) of generated images."""
        raise NotImplementedError

    def protocol(self) -> dict[str, Any]:
        """Return the feature network and the number of real images."""
        return {**self.features.protocol(), "real": 0 if self.real is None else len(self.real)}


def enough(key: str, value: int, least: int, count: int) -> None:
    """Raise ``UserError`` where ``metrics.KEY=value`` is below ``least`` or asks for more than ``count`` images."""
    if not least <= value <= count:
        raise UserError(f"metrics.{key}={value} does not fit {count} images; set it to {least} up to {count}")
