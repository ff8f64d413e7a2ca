"""Stand-ins for what metrics meet: a pack, a system that draws noise, and features that are the pixels themselves."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganlab.metrics.features import Features


class ArrayPack:
    def __init__(self, folder: Path, images: np.ndarray) -> None:
        self.folder = folder
        self.images = images
        self.labels = None
        crc32 = zlib.crc32(images.tobytes())
        self.manifest: dict[str, Any] = {
            "key": f"{crc32:012x}",
            "source": "arrays",
            "fingerprint": {"split": "train"},
            "count": len(images),
            "arrays": {"images": {"crc32": crc32}},
        }

    def __len__(self) -> int:
        return len(self.images)


class Painter:
    """Draws seeded noise of a brightness, and remembers which batches it was asked for."""

    device = torch.device("cpu")

    def __init__(self, shape: tuple[int, int, int], top: int = 256) -> None:
        self.shape = shape
        self.top = top
        self.asked: list[tuple[int, int, int]] = []

    def generation_batch(self, index: int, size: int, seed: int) -> Tensor:
        self.asked.append((index, size, seed))
        rng = np.random.default_rng((seed, index))
        return torch.from_numpy(rng.integers(0, self.top, (size, *self.shape), dtype=np.uint8))

    def sampling_protocol(self) -> dict[str, Any]:
        return {"batch_norm": "batch", "ema": False}


class Pixels(Features):
    name = "pixels"
    resize = "none"

    def __init__(self, num_features: int) -> None:
        super().__init__(b"pixels")
        self.num_features = num_features
        self.batches = 0

    def extract(self, images: Tensor) -> Tensor:
        self.batches += 1
        return images.flatten(1).float()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute in one thread: on tensors this small, threads of a busy machine wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def pack_of(tmp_path: Path) -> Callable[[np.ndarray], ArrayPack]:
    """Make a pack of uint8 images (N, H, W, C)."""
    return lambda images: ArrayPack(tmp_path, images)


@pytest.fixture
def painter() -> type[Painter]:
    return Painter


@pytest.fixture
def pixels() -> type[Pixels]:
    return Pixels


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Make seeded uint8 noise of a shape."""
    return lambda *shape, seed=0: np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
