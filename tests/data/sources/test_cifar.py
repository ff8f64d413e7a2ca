import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.cifar import CIFAR10, CIFAR100, COARSE, FINE
from ganlab.errors import UserError


@pytest.fixture
def pixels(rng) -> np.ndarray:
    return rng.integers(0, 256, (4, 32, 32, 3), np.uint8)


@pytest.fixture
def cifar10(tmp_path: Path, pixels, monkeypatch) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batch = {"data": pixels.transpose(0, 3, 1, 2).reshape(4, -1), "labels": [3, 1, 9, 0]}
    for name in ("data_batch_1", "test_batch"):
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10.classes}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": None})
    return folder


def test_cifar10_from_disk(tmp_path: Path, pixels, cifar10, monkeypatch):
    pack = build(CIFAR10(str(tmp_path), "train", False), PictureProtocol(32, 3), tmp_path / "packs")
    assert np.array_equal(pack.images, pixels) and pack.manifest["content"] is None
    assert pack.labels is not None and pack.labels.tolist() == [3, 1, 9, 0]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", "0" * 32]])
    with pytest.raises(UserError, match="cifar-10-batches-py is incomplete or damaged .*cifar-10-python.tar.gz"):
        len(CIFAR10(str(tmp_path), "train", False))


def test_cifar10_is_fetched_and_unpacked_once(tmp_path: Path, pixels, cifar10, web, monkeypatch):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(cifar10, cifar10.name)
    web.files["cifar.tar.gz"] = packed.getvalue()
    monkeypatch.setattr(datasets.CIFAR10, "url", web.url + "cifar.tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(packed.getvalue()).hexdigest())
    for _ in range(2):
        assert np.array_equal(CIFAR10(str(tmp_path / "sets"), "test", True).decoded.images, pixels)
    assert len(web.asked) == 1
    (tmp_path / "sets" / cifar10.name / "test_batch").unlink()
    with pytest.raises(UserError, match="test_batch is missing, the rest is there: delete .*cifar-10-batches-py"):
        CIFAR10(str(tmp_path / "sets"), "test", True)


@pytest.mark.parametrize(("labels", "expected", "names"), [("fine", [7, 99], FINE), ("coarse", [2, 19], COARSE)])
def test_cifar100_has_classes_and_groups(tmp_path: Path, pixels, monkeypatch, labels, expected, names):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    batch = {"data": pixels[:2].transpose(0, 3, 1, 2).reshape(2, -1), "fine_labels": [7, 99], "coarse_labels": [2, 19]}
    for name in ("train", "test"):
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": FINE.split()}))
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", None]])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", [["test", None]])
    monkeypatch.setattr(datasets.CIFAR100, "meta", datasets.CIFAR100.meta | {"md5": None})
    source = CIFAR100(str(tmp_path), "train", labels, False)
    assert [source.read(index)["labels"] for index in range(2)] == expected
    assert np.array_equal(source.read(1)["images"], pixels[1]) and source.name == f"cifar100-{labels}-train"
    assert source.classes == names.split() and len(FINE.split()) == 100 and len(COARSE.split()) == 20
    with pytest.raises(ValueError, match="kind=medium must be fine or coarse"):
        CIFAR100(str(tmp_path), "train", "medium", False)
