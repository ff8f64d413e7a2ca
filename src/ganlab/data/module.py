"""The Lightning data module: endless global batches that resume at any image, and references."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import chain, permutations
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor

from ganlab.arguments import Count, Natural, checked
from ganlab.data.batches import Batches, BatchTransform, Stream, channels_first, copy_to_device
from ganlab.data.inputs import Level, MadeInputs
from ganlab.data.packs.order import EndlessOrder
from ganlab.data.packs.pack import Pack
from ganlab.data.references import Reference, centre, of_domains, of_images, of_made_inputs, of_pairs
from ganlab.data.spec import PackSpec
from ganlab.errors import UserError
from ganlab.transfer import send


@checked
class ImageDataModule(LightningDataModule):
    """Training batches from packs, which follow from (seed, images seen) alone: a run continues by its clock.

    A batch holds the pack's pictures (``images``, or ``inputs`` and ``targets``) and ``labels``; with unpaired domains,
    one picture of each by the domain's name. Domains may have any length and are ordered independently; the clock
    counts the first.
    """

    resident = False  # whether batches are gathered on the training device, from copies of the packs there

    def __init__(
        self,
        specs: PackSpec | Mapping[str, PackSpec],  # the pack's, or those of unpaired domains by name
        batch_size: Count,  # of the global batch: each of W devices gets batch_size / W images
        seed: Natural = 0,
        *,
        image_size: Count | None = None,  # side in pixels; None: as packed; larger pictures are cropped at random
        flip: bool = False,  # mirrors pictures left to right with probability 1/2
        labels: bool = True,
        inputs: str = "none",  # makes inputs and targets from images, as the next two see `ganlab.data.inputs`
        overlap: Natural = 0,
        level: Level | None = None,
        input_channels: Count | None = None,  # 1: grey inputs, of one channel; None: as targets
    ) -> None:
        super().__init__()
        self.specs = [specs] if isinstance(specs, PackSpec) else list(specs.values())
        # For each pack, its pictures: the name in a batch, and that of the array.
        self.pictures: list[dict[str, str]] = (
            [{name: name for name in specs.source.pictures}]
            if isinstance(specs, PackSpec)
            else [{domain: "images"} for domain in specs]
        )
        self.batch_size, self.seed = batch_size, seed
        # The size of the next global batch; staged training replaces it.
        self.batch_size_at: Callable[[int], int] = lambda images_seen: batch_size
        self.labels, self.inputs = labels, MadeInputs(inputs, overlap, level, input_channels)
        self._check_channels()
        packed = [spec.protocol.image_size for spec in self.specs]
        self.image_size = image_size or packed[0]
        self.transform = BatchTransform(seed, [*map(list, self.pictures)], packed, self.image_size, flip, self.inputs)
        for side in packed:
            if side < self.image_size:
                raise UserError(
                    f"data.pack_size={side} is smaller than data.image_size={self.image_size}: "
                    f"take data.pack_size=null or more than {self.image_size}"
                )

    def _check_channels(self) -> None:
        """Raise ``UserError`` if inputs cannot have the channels that are asked for."""
        asked, packed = self.inputs.channels, self.specs[0].protocol.channels
        if asked in (None, packed):
            return
        if asked != 1:
            raise UserError(
                f"data.input_channels={asked} cannot be made from data.channels={packed}: take 1 or {packed}"
            )
        if self.inputs.kind == "none" and "inputs" not in self.pictures[0]:
            raise UserError("data.input_channels=1 needs inputs beside targets: type data.inputs=grey, or data=pairs")

    @cached_property
    def packs(self) -> list[Pack]:
        """The pack of each spec, built if missing; ``UserError`` if that fails."""
        return [spec.make() for spec in self.specs]

    @cached_property
    def centres(self) -> list[Pack]:
        """The packs without augmentation: pictures are cropped to their centres."""
        packs = zip(self.packs, self.pictures, strict=True)
        return [centre(pack, [*pictures.values()], self.image_size) for pack, pictures in packs]

    @property
    def pack(self) -> Pack:
        return self.centres[0]

    @cached_property
    def references(self) -> dict[str, Reference]:
        """References by task: ``""``, and with pairs or domains ``a_to_b`` and ``b_to_a``."""
        if len(self.specs) > 1:
            domains = dict(zip([*chain(*self.pictures)], self.centres, strict=True))
            return {f"{a}_to_{b}": of_domains(domains[a], domains[b]) for a, b in permutations(domains, 2)}
        if "inputs" in self.pictures[0]:
            forward = of_pairs(self.pack, self.inputs)
            return {"": forward, "a_to_b": forward, "b_to_a": of_pairs(self.pack, self.inputs, reverse=True)}
        if self.inputs.kind != "none":
            made = of_made_inputs(self.pack, self.inputs, self.seed)
            return {"": made, "a_to_b": made}
        return {"": of_images(self.pack)}

    def reference(self, task: str = "") -> Reference:
        """Return what previews and metrics of a system's task use; ``UserError`` if the data have no such task."""
        if task not in self.references:
            known = " or ".join(repr(name) for name in self.references)
            raise UserError(f"task {task!r} cannot be learned from these data: take {known}, or other data")
        return self.references[task]

    def fixed(self, count: int) -> dict[str, Tensor]:
        """Return the first ``count`` pictures, or all, in training order, not augmented: uint8 (N, C, H, W)."""
        count = min(count, *(len(pack) for pack in self.packs))
        rows = [order.indices(0, count) for order in self.orders]
        if "" in self.references and (shown := self.reference().shown(rows[0])):
            return shown
        packs = zip(chain(*self.pictures), self.centres, rows, strict=True)
        return {name: channels_first(pack.images[chosen]) for name, pack, chosen in packs}

    def prepare_data(self) -> None:
        _ = self.packs

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint records about the data: see `Pack.content`."""
        return {"packs": [pack.content for pack in self.packs]}

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for stream in self.streams() for array in stream.arrays.values())

    def check(self, world_size: int, batch_sizes: Iterable[int] = (), accumulate: int = 1) -> None:
        """Raise ``UserError`` if a batch size, a stage's or ``batch_size``, does not fit devices, data or gradients."""
        least = min(len(pack) for pack in self.packs)
        require_shares(self.batch_size, world_size, batch_sizes, accumulate, least)

    def train_dataloader(self) -> Batches:
        """Return this rank's share of an endless stream; each iterator starts where the system's clock stands."""
        trainer = self.trainer
        assert trainer is not None, "batches are shared by the ranks of a trainer"
        system: Any = trainer.lightning_module
        self.check(trainer.world_size, [self.batch_size_at(int(system.clock.images_seen))])
        return Batches(
            self.streams(trainer.strategy.root_device if self.resident else None),
            self.transform,
            batch_size_at=self.batch_size_at,
            images_seen=lambda: int(system.clock.images_seen),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )

    @property
    def orders(self) -> list[EndlessOrder]:
        # The first pack has ``seed`` itself, the others unrelated ones.
        others = [np.random.SeedSequence(self.seed, spawn_key=(number,)) for number in range(1, len(self.packs))]
        seeds = [self.seed, *(int(other.generate_state(1, np.uint64)[0]) for other in others)]
        return [EndlessOrder(len(pack), seed) for pack, seed in zip(self.packs, seeds, strict=True)]

    def streams(self, device: torch.device | None = None) -> list[Stream]:
        """Return the arrays that batches are gathered from, with their orders; copied to ``device`` if one is given."""
        streams = []
        for pack, pictures, order in zip(self.packs, self.pictures, self.orders, strict=True):
            arrays: dict[str, Any] = {entry: pack.arrays[name] for entry, name in pictures.items()}
            if self.labels and pack.labels is not None:
                arrays["labels"] = pack.labels
            if device is not None:
                arrays = {name: copy_to_device(array, device) for name, array in arrays.items()}
            streams.append(Stream(arrays, order))
        return streams

    def transfer_batch_to_device(
        self, batch: dict[str, Tensor], device: torch.device, dataloader_idx: int
    ) -> dict[str, Tensor]:
        return {name: send(values, device) for name, values in batch.items()}

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self.transform.apply(batch)


def require_shares(
    batch_size: int, world_size: int, batch_sizes: Iterable[int] = (), accumulate: int = 1, least: int | None = None
) -> None:
    """Raise ``UserError`` as `ImageDataModule.check` does, for data of ``least`` images where their number is known."""
    for size in dict.fromkeys([batch_size, *batch_sizes]):
        key = "data.batch_size=" if size == batch_size else ""
        given = f"{key}{size}" if key else f"a stage's batch size of {size}"
        if size % world_size:
            fix = f"{key}{-(-size // world_size) * world_size}"
            raise UserError(f"{given} (global) cannot be shared evenly by {world_size} devices: take {fix}")
        if least is not None and size > least:
            fit = least // (world_size * accumulate) * world_size * accumulate
            fix = f"take {key}{fit} or less" if fit >= 2 * world_size * accumulate else "add pictures"
            raise UserError(f"{given} is larger than the data ({least} images): {fix}")
        if (share := size // world_size) % accumulate:
            raise UserError(f"accumulate={accumulate} must divide the {share} images of {given} that a device gets")
