"""Batches for Lightning: endless, global over all devices, resumable at any image."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule

from ganlab.data.order import EndlessOrder
from ganlab.data.pack import Pack
from ganlab.data.recipe import Recipe
from ganlab.errors import UserError


class ImageDataModule(LightningDataModule):
    """Training batches out of the pack of one source.

    ``batch_size`` is global: each of W devices gets batch_size / W images of every batch. Batches follow from
    (seed, images seen) alone, so the training system's ``clock.images_seen`` is all that continuing needs.
    """

    def __init__(self, recipe: Recipe, batch_size: int, seed: int = 0) -> None:
        super().__init__()
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UserError(f"data.batch_size={batch_size} is no number of images: take 1 or more")
        if seed < 0:
            raise UserError(f"seed={seed} is negative: take 0 or a positive whole number")
        self.recipe = recipe
        self.batch_size = batch_size
        self.seed = seed

    @cached_property
    def pack(self) -> Pack:
        """The recipe's pack, made at the first use where there is none (``UserError`` where that fails)."""
        return self.recipe.make()

    def prepare_data(self) -> None:
        """Make the pack where there is none."""
        _ = self.pack

    def batch_size_at(self, images_seen: int) -> int:
        """Global size of the batch that begins after ``images_seen`` images; staged training overrides it."""
        return self.batch_size

    def check(self, world_size: int) -> None:
        """Raise ``UserError`` where the batch size does not suit the number of devices or images."""
        if self.batch_size % world_size:
            near = -(-self.batch_size // world_size) * world_size
            raise UserError(
                f"data.batch_size={self.batch_size} (global) cannot be shared evenly by {world_size} devices: "
                f"take data.batch_size={near}"
            )
        if self.batch_size > len(self.pack):
            raise UserError(
                f"data.batch_size={self.batch_size} is larger than the data ({len(self.pack)} images): "
                f"take data.batch_size={len(self.pack) // world_size * world_size} or less"
            )

    def train_dataloader(self) -> "Batches":
        """Return this rank's share of every batch, endless; each pass begins where the system's clock stands."""
        trainer = self.trainer
        assert trainer is not None, "batches are dealt to the ranks of a trainer"
        self.check(trainer.world_size)
        system: Any = trainer.lightning_module
        return Batches(
            self.pack,
            EndlessOrder(len(self.pack), self.seed),
            batch_size_at=self.batch_size_at,
            images_seen=lambda: int(system.clock.images_seen),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )


class Batches:
    """One rank's share of an endless stream of global batches.

    Yields dicts of CPU tensors: ``images`` uint8 (B,H,W,C) and, where the pack has them, ``labels`` int64 (B,).
    Shares of all ranks, in order, are the batch of a single process.
    """

    def __init__(
        self,
        pack: Pack,
        order: EndlessOrder,
        *,
        batch_size_at: Callable[[int], int],
        images_seen: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.images = np.asarray(pack.images)  # a plain view of the memory map: indexing it is faster
        self.labels = pack.labels
        self.order = order
        self.batch_size_at = batch_size_at
        self.images_seen = images_seen
        self.rank = rank
        self.world_size = world_size

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        seen = self.images_seen()
        while True:
            size = self.batch_size_at(seen)
            share = size // self.world_size
            indices = self.order.indices(seen + self.rank * share, share)
            batch = {"images": torch.from_numpy(self.images[indices])}
            if self.labels is not None:
                batch["labels"] = torch.from_numpy(self.labels[indices])
            yield batch
            seen += size
