"""Base classes of all metrics."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
import torchmetrics
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from ganlab.errors import UserError
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.generated import Generated
from ganlab.metrics.reals import Reals


class Metric(torchmetrics.Metric):
    """A measure of generated images; ``update(batch: Generated)`` and ``compute`` are all that a subclass must define.

    The evaluator calls ``take_reals`` once, on rank 0 alone, with the real images of all ranks. For each measurement
    every rank calls ``reset`` (which keeps the real images), ``take_system``, ``update`` with its share of the batches,
    ``compute`` and ``picture``. ``compute`` exchanges torchmetrics' states, so all ranks must call it; it returns
    values by full name, and may return none on ranks without samples or without real images.
    """

    needs: type[Features] | None = None  # class of the feature network, which the constructor takes first
    names: tuple[str, ...]  # full names of the values
    higher_is_better: bool | None = None  # None for values that may not choose best.ckpt
    wants_held_out = False  # whether it also looks at real images that the generator was not trained on
    full_state_update = False

    @classmethod
    def fits(cls, features: Features | None) -> bool:
        """Return whether this metric can be computed from such a feature network."""
        return cls.needs is None or isinstance(features, cls.needs)

    def require(self, shown: Collection[str]) -> None:
        """Raise ``UserError`` unless it can be computed where each image comes with ``inputs``, ``targets``, ..."""

    def take_reals(self, reals: Reals) -> None:
        """Remember the real images, in place of earlier ones; ``UserError`` if the metric cannot use them."""

    def take_system(self, system: Any, seed: int) -> None:
        """Look at the generator itself, before the first batch of a seed's samples."""

    def fitted(self, count: int) -> int | None:
        """Return to how many of ``count`` images a covariance is fitted; None if none is."""
        return None

    def picture(self) -> Tensor | None:
        """Return a picture of the last ``compute``, uint8 (C, H, W) or (N, C, H, W); None if there is none."""
        return None

    def protocol(self) -> dict[str, Any]:
        """Return what must be equal for two values to be comparable."""
        return {}


class PerSampleMetric(Metric):
    """Keeps one row of numbers a sample; ``compute`` sees those of all processes in the order of the samples.

    So values depend neither on batches nor on the number of processes. Samples from number ``limit`` on are ignored.
    """

    row_dtype = torch.float32
    rows: list[Tensor]
    indices: list[Tensor]

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit
        self.shape: torch.Size | None = None  # of a row; None on a process without samples
        self.dtypes: dict[str, torch.dtype] = {}
        self.add_list("rows", self.row_dtype)
        self.add_list("indices", torch.long)

    def add_list(self, name: str, dtype: torch.dtype) -> None:
        """Add a state to which each batch appends a tensor of one dimension."""
        self.add_state(name, [], dist_reduce_fx="cat")
        self.dtypes[name] = dtype

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Return the rows (n, ...) of these samples: their features, or their images if no network is needed."""
        return batch.images[kept] if self.needs is None else batch.features[kept]

    def update(self, batch: Generated) -> None:
        kept: Tensor | slice = slice(None) if self.limit is None else batch.indices < self.limit
        indices = batch.indices[kept]
        if not len(indices):
            return
        rows = self.keep(batch, kept)
        self.shape = rows.shape[1:]
        self.rows.append(rows.to(self.row_dtype).flatten())
        self.indices.append(indices)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Exchange states; a process without samples contributes empty tensors of the right type."""
        for name, dtype in self.dtypes.items():
            if not (state := getattr(self, name)):
                state.append(torch.empty(0, dtype=dtype, device=self.device))
        super().sync(*args, **kwargs)

    def in_order(self) -> Tensor:
        """Return all rows (count, ...) in the order of the samples; only on a process that had some."""
        assert self.shape is not None
        indices = dim_zero_cat(self.indices)
        return dim_zero_cat(self.rows).view(len(indices), *self.shape)[indices.argsort()]


class FeatureSetMetric(PerSampleMetric):
    """Compares features of a sample of the real images with those of all generated ones: ``VALUE_NETWORK``."""

    needs = Features

    def __init__(self, features: Features, values: tuple[str, ...]) -> None:
        super().__init__()
        self.features = features
        self.names = tuple(f"{value}_{features.name}" for value in values)
        self.real: Tensor | None = None

    def take_reals(self, reals: Reals) -> None:
        self.real = reals.features(self.features.to(reals.device))

    def compute(self) -> dict[str, float]:
        if self.real is None:
            return {}
        fake = self.in_order()
        return dict(zip(self.names, self.compare(self.real.to(fake.device), fake), strict=True))

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        """Return the values for features (M, D) of real and (N, D) of generated images."""
        raise NotImplementedError

    def protocol(self) -> dict[str, Any]:
        return {**self.features.protocol(), "real": 0 if self.real is None else len(self.real)}


class PerClassMetric(PerSampleMetric):
    """Also keeps the class that each sample was conditioned on; ``UserError`` if the generator is unconditional."""

    labels: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_list("labels", torch.long)

    def update(self, batch: Generated) -> None:
        if batch.labels is None:
            raise UserError(
                f"{self.names[0]} needs a conditional generator: leave it out of metrics=[...], or train one such as "
                "architecture=dcgan_conditional"
            )
        super().update(batch)
        self.labels.append(batch.labels)

    def labels_in_order(self) -> Tensor:
        """Return the classes (count,) in the order of the samples."""
        return dim_zero_cat(self.labels)[dim_zero_cat(self.indices).argsort()]

    def classes_of(self, reals: Reals) -> np.ndarray:
        """Return the class of each real image, int64 (N,); ``UserError`` if they have none."""
        if reals.classes is None:
            raise UserError(
                f"{self.names[0]} compares images of one class, and {reals.pack.manifest['source']} has no classes: "
                "leave it out of metrics=[...], or take data with classes"
            )
        return reals.classes


def require_count(key: str, value: int, least: int, count: int) -> None:
    """Raise ``UserError`` unless ``metrics.KEY=value`` lies between ``least`` and ``count``, the number of images."""
    if not least <= value <= count:
        raise UserError(f"metrics.{key}={value} does not fit {count} images; set it to {least} up to {count}")
