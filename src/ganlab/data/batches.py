"""Endless batches out of packs: equal for any number of ranks, and the same again wherever a run continues."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ganlab.data.cropping import draw_geometry
from ganlab.data.inputs import HOLES, draw_masks
from ganlab.data.packs.order import EndlessOrder
from ganlab.transfer import send

GEOMETRY, MASKS = 0, 1  # what is drawn for a batch, each from numbers of its own
PART = 64_000_000  # bytes that are copied to a device at a time


@dataclass(frozen=True)
class Stream:
    """Equally long arrays, by their names in a batch, whose rows are drawn together in one order.

    Arrays lie in memory or are mapped into it; tensors on a device are gathered there, and only indices travel.
    """

    arrays: dict[str, np.ndarray] | dict[str, torch.Tensor]
    order: EndlessOrder

    def rows(self, start: int, count: int) -> dict[str, torch.Tensor]:
        """Return the rows at positions ``start`` .. ``start + count`` - 1 of the order."""
        indices = self.order.indices(start, count)
        return {name: gather(array, indices) for name, array in self.arrays.items()}


def gather(array: np.ndarray | torch.Tensor, indices: np.ndarray) -> torch.Tensor:
    """Return rows of an array (N, ...) as a tensor (len(indices), ...), where the array is."""
    if isinstance(array, torch.Tensor):
        return array.index_select(0, send(torch.from_numpy(indices), array.device))
    return torch.from_numpy(np.asarray(array)[indices])  # a plain view of a memory map: indexing it is faster


def channels_first(pictures: np.ndarray) -> torch.Tensor:
    """Return pictures (N, H, W, C) as a tensor (N, C, H, W) that owns its memory: a pack's are mapped and read-only."""
    return torch.from_numpy(np.array(pictures.transpose(0, 3, 1, 2), order="C"))


def copied(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy an array to a device, part by part: a pack may be larger than the memory of the machine around it."""
    held = torch.empty(array.shape, dtype=torch.from_numpy(np.array(array[:1])).dtype, device=device)
    rows = max(PART * len(array) // max(array.nbytes, 1), 1)
    for start in range(0, len(array), rows):
        held[start : start + rows] = torch.from_numpy(np.array(array[start : start + rows]))
    return held


@dataclass(frozen=True)
class Drawing:
    """What is drawn for every picture of a batch from (seed, images seen).

    Attributes:
        seed: of all that is drawn.
        packed: side of the pictures of each stream.
        size: side of the windows that training sees.
        flip: whether half of them are mirrored.
        inputs: one of `ganlab.data.inputs.KINDS`.
    """

    seed: int
    packed: list[int]
    size: int
    flip: bool
    inputs: str

    def draw(self, images_seen: int, count: int) -> dict[str, np.ndarray]:
        """Return ``geometry`` (count, streams, 3), where it is needed, and ``masks``, for a global batch."""
        drawn = {}
        if self.flip or any(side != self.size for side in self.packed):
            rng = self._generator(images_seen, GEOMETRY)
            streams = [draw_geometry(rng, count, side, self.size, self.flip) for side in self.packed]
            drawn["geometry"] = np.stack(streams, axis=1)
        if self.inputs in HOLES:
            drawn["masks"] = draw_masks(self.inputs, self._generator(images_seen, MASKS), count, self.size)
        return drawn

    def _generator(self, images_seen: int, what: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((self.seed, images_seen), spawn_key=(what,)))


class Batches:
    """One rank's share of an endless stream of global batches.

    Yields dicts of CPU tensors: pictures uint8 (B,H,W,C) by name, ``labels`` int64 (B,) or (B,A) where there are any,
    and what `Drawing` draws, which `ImageDataModule` applies on the device. Shares of all ranks, in order, are the
    batch of a single process.
    """

    def __init__(
        self,
        streams: list[Stream],
        drawing: Drawing,
        *,
        batch_size_at: Callable[[int], int],
        images_seen: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.streams, self.drawing = streams, drawing
        self.batch_size_at, self.images_seen = batch_size_at, images_seen
        self.rank, self.world_size = rank, world_size

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        seen = self.images_seen()
        while True:
            size = self.batch_size_at(seen)
            share = size // self.world_size
            first = self.rank * share
            batch: dict[str, torch.Tensor] = {}
            for stream in self.streams:
                batch |= stream.rows(seen + first, share)
            for name, values in self.drawing.draw(seen, size).items():
                batch[name] = torch.from_numpy(np.array(values[first : first + share]))
            yield batch
            seen += size
