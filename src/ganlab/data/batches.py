"""Endless batches from packs, the same for any number of ranks and wherever a run continues."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganlab.data.cropping import crop, draw_geometry
from ganlab.data.inputs import MadeInputs
from ganlab.data.packs.order import EndlessOrder
from ganlab.transfer import send

GEOMETRY, MASKS = 0, 1  # spawn keys: crops and masks of a batch are drawn independently
COPY_BYTES = 64_000_000  # copied to a device at a time


@dataclass(frozen=True)
class Stream:
    """Arrays of equal length, by their names in a batch, whose rows are drawn together; tensors on their own device."""

    arrays: dict[str, np.ndarray] | dict[str, Tensor]
    order: EndlessOrder

    def rows(self, start: int, count: int) -> dict[str, Tensor]:
        """Return the rows at positions ``start`` .. ``start + count`` - 1 of the order."""
        indices = self.order.indices(start, count)
        return {name: gather(array, indices) for name, array in self.arrays.items()}


def gather(array: np.ndarray | Tensor, indices: np.ndarray) -> Tensor:
    """Return rows of an array (N, ...) as a tensor (len(indices), ...) on the array's device."""
    if isinstance(array, Tensor):
        return array.index_select(0, send(torch.from_numpy(indices), array.device))
    return torch.from_numpy(np.asarray(array)[indices])  # indexing a plain view of a memory map is faster


def channels_first(pictures: np.ndarray) -> Tensor:
    """Copy pictures (N, H, W, C), which may be read-only, to a tensor (N, C, H, W)."""
    return torch.from_numpy(np.array(pictures.transpose(0, 3, 1, 2), order="C"))


def copy_to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to a device in parts: a pack may be larger than the host's memory."""
    held = torch.empty(array.shape, dtype=torch.from_numpy(np.array(array[:1])).dtype, device=device)
    rows = max(COPY_BYTES * len(array) // max(array.nbytes, 1), 1)
    for start in range(0, len(array), rows):
        held[start : start + rows] = torch.from_numpy(np.array(array[start : start + rows]))
    return held


@dataclass(frozen=True)
class BatchTransform:
    """Random crops, flips and masks, drawn on the CPU from (seed, images seen) and applied where the batch is."""

    seed: int
    pictures: Sequence[Sequence[str]]  # names of each stream's pictures in a batch
    packed: Sequence[int]  # side of each stream's packed pictures, in pixels
    size: int  # side of the pictures in a batch, in pixels
    flip: bool
    inputs: MadeInputs

    def draw(self, images_seen: int, count: int) -> dict[str, np.ndarray]:
        """Draw ``geometry``, int64 (count, streams, 3), and ``masks``, bool (count, size, size), of a global batch."""
        drawn = {}
        if self.flip or any(side != self.size for side in self.packed):
            rng = self._generator(images_seen, GEOMETRY)
            streams = [draw_geometry(rng, count, side, self.size, self.flip) for side in self.packed]
            drawn["geometry"] = np.stack(streams, axis=1)
        if (masks := self.inputs.draw(self._generator(images_seen, MASKS), count, self.size)) is not None:
            drawn["masks"] = masks
        return drawn

    def apply(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Crop and mirror pictures by ``geometry``, then make inputs, targets and more from ``images``."""
        geometry, masks = batch.get("geometry"), batch.get("masks")
        made = {name: values for name, values in batch.items() if name not in ("geometry", "masks")}
        if geometry is not None:
            for stream, names in enumerate(self.pictures):
                for name in names:
                    made[name] = crop(made[name], geometry[:, stream], self.size)
        if self.inputs.kind != "none":
            return self.inputs.make(made.pop("images"), masks) | made
        return self.inputs.in_channels(made)

    def _generator(self, images_seen: int, key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((self.seed, images_seen), spawn_key=(key,)))


class Batches:
    """One rank's share of endless global batches; the shares in rank order are the batch of a single process."""

    def __init__(
        self,
        streams: list[Stream],
        transform: BatchTransform,
        *,
        batch_size_at: Callable[[int], int],
        images_seen: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.streams, self.transform = streams, transform
        self.batch_size_at, self.images_seen = batch_size_at, images_seen
        self.rank, self.world_size = rank, world_size

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        seen = self.images_seen()
        while True:
            size = self.batch_size_at(seen)
            share = size // self.world_size
            first = self.rank * share
            batch: dict[str, Tensor] = {}  # on the CPU: pictures uint8 (B, H, W, C), labels int64 (B,) or (B, A), draws
            for stream in self.streams:
                batch |= stream.rows(seen + first, share)
            for name, values in self.transform.draw(seen, size).items():
                batch[name] = torch.from_numpy(np.array(values[first : first + share]))
            yield batch
            seen += size
