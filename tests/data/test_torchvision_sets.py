import gzip
import hashlib
import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from torchvision import datasets

from ganlab.data.pack import build
from ganlab.data.pictures import PictureProtocol
from ganlab.data.torchvision_sets import CIFAR10, MNIST
from ganlab.errors import UserError


def write_mnist(folder: Path, rng: np.random.Generator) -> np.ndarray:
    """MNIST's four files with 20 training and 5 test digits; returns the training pictures."""
    folder.mkdir(parents=True)
    images = {
        "train": rng.integers(0, 256, (20, 28, 28), np.uint8),
        "t10k": rng.integers(0, 256, (5, 28, 28), np.uint8),
    }
    for split, pixels in images.items():
        count = len(pixels)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + pixels.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    return images["train"]


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Let torchvision fetch what ``write_mnist`` made from a server on this machine."""
    resources = []
    for file in sorted(folder.iterdir()):
        zipped = folder / f"{file.name}.gz"
        zipped.write_bytes(gzip.compress(file.read_bytes()))
        resources.append((zipped.name, hashlib.md5(zipped.read_bytes()).hexdigest()))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(datasets.MNIST, "resources", resources)
        yield
        server.shutdown()


def test_mnist_from_disk(tmp_path: Path, rng):
    pixels = write_mnist(tmp_path / "MNIST" / "raw", rng)
    pack = build(MNIST(str(tmp_path)), PictureProtocol(28, 1), tmp_path / "packs")
    assert pack.folder.name.startswith("mnist-train-28x1-") and np.array_equal(pack.images[..., 0], pixels)
    assert pack.labels is not None and pack.labels.tolist() == [index % 10 for index in range(20)]
    test = MNIST(str(tmp_path), "test")
    assert len(test) == 5 and test.fingerprint() != MNIST(str(tmp_path)).fingerprint()


def test_mnist_is_fetched_whole_and_once(tmp_path: Path, rng, monkeypatch):
    pixels = write_mnist(tmp_path / "server", rng)
    with serving(monkeypatch, tmp_path / "server"):
        assert np.array_equal(MNIST(str(tmp_path / "sets")).images, pixels)
    assert sorted(path.name for path in (tmp_path / "sets").iterdir()) == [".MNIST.lock", "MNIST"]
    assert len(MNIST(str(tmp_path / "sets"))) == 20  # the server is gone


def test_a_failing_download_is_one_line_and_leaves_nothing_that_looks_whole(tmp_path: Path, rng, monkeypatch):
    write_mnist(tmp_path / "server", rng)

    def refuse() -> None:
        with pytest.raises(UserError, match=r"could not be fetched \(.*\): .*data.root") as caught:
            MNIST(str(tmp_path / "sets"))
        assert "\n" not in str(caught.value) and not (tmp_path / "sets" / "MNIST").exists()

    with serving(monkeypatch, tmp_path / "server"):
        (tmp_path / "server" / "train-labels-idx1-ubyte.gz").write_bytes(b"<html>504</html>")
        refuse()
    refuse()  # the server is gone


def test_a_damaged_set_is_named(tmp_path: Path, rng):
    write_mnist(tmp_path / "MNIST" / "raw", rng)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="MNIST is incomplete or damaged .*delete this folder"):
        MNIST(str(tmp_path))
    with pytest.raises(UserError, match="data.split=valid is not in MNIST: take train or test"):
        MNIST(str(tmp_path), "valid")


def test_cifar10_from_disk(tmp_path: Path, rng, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
    batch = {"data": pixels.transpose(0, 3, 1, 2).reshape(4, -1), "labels": [3, 1, 9, 0]}
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10.classes}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": None})
    pack = build(CIFAR10(str(tmp_path)), PictureProtocol(32, 3), tmp_path / "packs")
    assert np.array_equal(pack.images, pixels) and pack.manifest["content"] is None
    assert pack.labels is not None and pack.labels.tolist() == [3, 1, 9, 0]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", "0" * 32]])
    with pytest.raises(UserError, match="cifar-10-batches-py is incomplete or damaged"):
        CIFAR10(str(tmp_path))
