"""Stand-ins for what metrics meet: a pack, a system that draws noise, and features that are the pixels themselves."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from ganlab.metrics.extractors.features import Features
from ganlab.systems.request import Request


class ArrayPack:
    def __init__(self, folder: Path, images: np.ndarray) -> None:
        self.folder = folder
        self.images = images
        self.labels: np.ndarray | None = None
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
    """Draws seeded noise of a brightness, and remembers requests: their first number, size and seed."""

    device = torch.device("cpu")

    def __init__(self, shape: tuple[int, int, int], top: int = 256) -> None:
        self.shape = shape
        self.top = top
        self.asked: list[tuple[int, int, int]] = []

    def respond(self, request: Request, seed: int, task: str = "") -> Tensor:
        self.asked.append((int(request.indices[0]), len(request), seed))
        draws = [np.random.default_rng((seed, int(i))) for i in request.indices]
        return torch.from_numpy(np.stack([rng.integers(0, self.top, self.shape, dtype=np.uint8) for rng in draws]))

    def labels_for(self, request: Request, seed: int) -> Tensor | None:
        return None

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


@pytest.fixture
def labelled(pack_of: Callable[[np.ndarray], ArrayPack]) -> Callable[..., ArrayPack]:
    """Make a pack of uint8 images (N, H, W, C) with labels, its manifest with further facts."""

    def make(images: np.ndarray, labels: Any, /, **facts: Any) -> ArrayPack:
        pack = pack_of(images)
        if labels is not None:
            pack.labels = np.array(labels, np.int64)
            pack.manifest["arrays"]["labels"] = {"crc32": zlib.crc32(pack.labels.tobytes())}
        pack.manifest |= facts
        return pack

    return make


def draw_bars(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Draw uint8 noise (N, 12, 12) with a bright row in one of three places and a dark column in one of two."""
    images = np.random.default_rng(0).integers(90, 160, (len(rows), 12, 12), dtype=np.uint8)
    for image, row, column in zip(images, rows, columns, strict=True):
        image[4 * row + 1 : 4 * row + 3] = 255
        image[:, 6 * column + 2 : 6 * column + 4] = 0
    return images


@pytest.fixture
def bars(labelled: Callable[..., ArrayPack]) -> Callable[[int], ArrayPack]:
    """Make a pack of grey pictures with two labels each, ``row`` and ``column``, whose combinations are its modes."""

    def make(count: int) -> ArrayPack:
        labels = np.random.default_rng(1).integers(0, (3, 2), (count, 2))
        named = {"row": ["top", "middle", "bottom"], "column": ["left", "right"]}
        return labelled(draw_bars(*labels.T)[..., None], labels, labels=named, modes=["row", "column"])

    return make


@pytest.fixture
def stacked_bars(labelled: Callable[..., ArrayPack]) -> Callable[[int], ArrayPack]:
    """Make a pack of two channels with a row each; the label is 3 x that of red + that of green."""

    def make(count: int) -> ArrayPack:
        rows = np.random.default_rng(1).integers(0, 3, (count, 2))
        drawn = draw_bars(rows.flatten(), np.zeros(2 * count, int)).reshape(count, 2, 12, 12)
        places = ["top", "middle", "bottom"]
        return labelled(drawn.transpose(0, 2, 3, 1), rows @ (3, 1), channels={"red": places, "green": places})

    return make


@pytest.fixture(scope="session")
def random_inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random InceptionV3 weights; Kaiming's, since with the default ones the features vanish."""
    folder = tmp_path_factory.mktemp("inception")
    torch.save({}, folder / "empty.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = FeatureExtractorInceptionV3("random", ["2048"], str(folder / "empty.pth"))
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=0.3)  # classes that differ
    torch.save(network.state_dict(), folder / "random.pth")
    return folder / "random.pth"
