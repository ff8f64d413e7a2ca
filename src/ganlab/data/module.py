"""Batches for Lightning: endless, global over all devices, resumable at any image."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor

from ganlab.data.batches import Batches, Drawing, Stream, copied
from ganlab.data.cropping import crop
from ganlab.data.inputs import make_inputs, require_known
from ganlab.data.packs.order import EndlessOrder
from ganlab.data.packs.pack import Pack
from ganlab.data.spec import Recipe
from ganlab.errors import UserError
from ganlab.transfer import send


class ImageDataModule(LightningDataModule):
    """Training batches out of packs.

    A batch holds the pictures of the pack (``images``, or ``inputs`` and ``targets``) and its ``labels``. Of unpaired
    domains it holds one picture each, by the domain's name, and the clock counts those of the first; every other
    domain has an order of its own, and may be longer or shorter.

    ``batch_size`` is global: each of W devices gets batch_size / W images of every batch. Batches follow from
    (seed, images seen) alone, so the training system's ``clock.images_seen`` is all that continuing needs.

    Args:
        recipes: that of the pack, or those of unpaired domains by name.
        batch_size: images of a global batch.
        seed: of the order and of all that is drawn.
        image_size: side of the pictures in a batch; those of a larger pack are cropped at random, inputs and targets
            alike, each domain by itself. None: as packed.
        flip: whether half of the pictures are mirrored left to right.
        labels: whether batches hold the labels of the pack.
        inputs: what is made from images, see `ganlab.data.inputs`: inputs and targets instead of images.

    Attributes:
        resident: whether batches are gathered on the device that trains, from a copy of the packs there.
    """

    resident = False

    def __init__(
        self,
        recipes: Recipe | Mapping[str, Recipe],
        batch_size: int,
        seed: int = 0,
        *,
        image_size: int | None = None,
        flip: bool = False,
        labels: bool = True,
        inputs: str = "none",
    ) -> None:
        super().__init__()
        if not isinstance(batch_size, int) or batch_size < 1:
            raise UserError(f"data.batch_size={batch_size} is no number of images: take 1 or more")
        if seed < 0:
            raise UserError(f"seed={seed} is negative: take 0 or a positive whole number")
        require_known(inputs)
        self.recipes = [recipes] if isinstance(recipes, Recipe) else list(recipes.values())
        # Of each pack: the names that its arrays of pictures have in a batch.
        self.pictures: list[dict[str, str]] = (
            [{name: name for name in recipes.source.pictures}]
            if isinstance(recipes, Recipe)
            else [{domain: "images"} for domain in recipes]
        )
        self.batch_size, self.seed = batch_size, seed
        self.flip, self.labels, self.inputs = flip, labels, inputs
        self.image_size = image_size or self.recipes[0].protocol.image_size
        for recipe in self.recipes:
            if recipe.protocol.image_size < self.image_size:
                raise UserError(
                    f"data.pack_size={recipe.protocol.image_size} is smaller than data.image_size={self.image_size}: "
                    f"take data.pack_size=null or more than {self.image_size}"
                )

    @cached_property
    def packs(self) -> list[Pack]:
        """The pack of each recipe, made at the first use where there is none (``UserError`` where that fails)."""
        return [recipe.make() for recipe in self.recipes]

    @cached_property
    def pack(self) -> Pack:
        """The first pack as a person sees it and a metric measures it: the centres of pictures that are cropped."""
        pack, names = self.packs[0], self.recipes[0].source.pictures
        edge = (self.recipes[0].protocol.image_size - self.image_size) // 2
        inside = slice(edge, edge + self.image_size)
        return replace(pack, arrays=pack.arrays | {name: pack.arrays[name][:, inside, inside] for name in names})

    def prepare_data(self) -> None:
        """Make the packs where there are none."""
        _ = self.packs

    @property
    def nbytes(self) -> int:
        """Bytes of all that batches are gathered from."""
        return sum(array.nbytes for stream in self.streams() for array in stream.arrays.values())

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
        if self.batch_size > (least := min(len(pack) for pack in self.packs)):
            raise UserError(
                f"data.batch_size={self.batch_size} is larger than the data ({least} images): "
                f"take data.batch_size={least // world_size * world_size} or less"
            )

    def train_dataloader(self) -> Batches:
        """Return this rank's share of every batch, endless; each pass begins where the system's clock stands."""
        trainer = self.trainer
        assert trainer is not None, "batches are dealt to the ranks of a trainer"
        self.check(trainer.world_size)
        system: Any = trainer.lightning_module
        return Batches(
            self.streams(trainer.strategy.root_device if self.resident else None),
            Drawing(
                self.seed,
                [recipe.protocol.image_size for recipe in self.recipes],
                self.image_size,
                self.flip,
                self.inputs,
            ),
            batch_size_at=self.batch_size_at,
            images_seen=lambda: int(system.clock.images_seen),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )

    def streams(self, device: torch.device | None = None) -> list[Stream]:
        """Return the arrays that batches are gathered from, copied to a device or as they are, and their orders."""
        streams = []
        for number, (pack, pictures) in enumerate(zip(self.packs, self.pictures, strict=True)):
            arrays = {entry: pack.arrays[name] for entry, name in pictures.items()}
            if self.labels and pack.labels is not None:
                arrays["labels"] = pack.labels
            held: Any = arrays
            if device is not None:
                held = {name: copied(array, device) for name, array in arrays.items()}
            streams.append(Stream(held, EndlessOrder(len(pack), order_seed(self.seed, number))))
        return streams

    def transfer_batch_to_device(
        self, batch: dict[str, Tensor], device: torch.device, dataloader_idx: int
    ) -> dict[str, Tensor]:
        """Send a batch to the device that trains, behind what that is still at."""
        return {name: send(values, device) for name, values in batch.items()}

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Crop, mirror and make inputs where the batch is now: on the device that trains."""
        geometry, masks = batch.get("geometry"), batch.get("masks")
        made = {name: values for name, values in batch.items() if name not in ("geometry", "masks")}
        if geometry is not None:
            for stream, pictures in enumerate(self.pictures):
                for name in pictures:
                    made[name] = crop(made[name], geometry[:, stream], self.image_size)
        if self.inputs != "none":
            made = make_inputs(self.inputs, made.pop("images"), masks) | made
        return made


def order_seed(seed: int, number: int) -> int:
    """Return the seed of the order of pack ``number``: ``seed`` itself for the first, unrelated ones for the others."""
    if number == 0:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint64)[0])
