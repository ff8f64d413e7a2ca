import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision import datasets

from ganlab.data.sources import svhn
from ganlab.data.sources.svhn import SVHN, hold_out
from ganlab.errors import UserError


def publish(root: Path, monkeypatch: pytest.MonkeyPatch, address: str = "http://127.0.0.1:9/") -> np.ndarray:
    """Write tiny MATLAB files as the publisher's and let torchvision know their digests; returns train's pictures."""
    root.mkdir(exist_ok=True)
    listed, rng = {}, np.random.default_rng(0)
    for split, count in {"test": 12, "extra": 15, "train": 40}.items():
        images = rng.integers(0, 256, (32, 32, 3, count), np.uint8)
        name = f"{split}_32x32.mat"
        savemat(root / name, {"X": images, "y": (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]})
        listed[split] = [address + name, name, hashlib.md5((root / name).read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)
    monkeypatch.setattr(svhn, "VALIDATION", 10)
    return images.transpose(3, 0, 1, 2)


def test_splits(tmp_path: Path, monkeypatch):
    pixels = publish(tmp_path, monkeypatch)
    train = SVHN(str(tmp_path), "train", False)
    assert np.array_equal(np.stack([train.read(index)["images"] for index in range(40)]), pixels)
    assert [train.read(index)["labels"] for index in (0, 8, 9)] == [1, 9, 0]  # the file says 10 for a zero
    assert len(SVHN(str(tmp_path), "extra", False)) == 15 and len(SVHN(str(tmp_path), "test", False)) == 12
    validation, others = (SVHN(str(tmp_path), split, False) for split in ("validation", "train_without_validation"))
    assert (len(validation), len(others)) == (10, 30)
    parts = [part.decoded.images[index].tobytes() for part in (validation, others) for index in range(len(part))]
    assert sorted(parts) == sorted(picture.tobytes() for picture in pixels)
    assert validation.fingerprint() != others.fingerprint()
    with pytest.raises(UserError, match="data.split=val is not in svhn: take one of train, extra, test, validation"):
        SVHN(str(tmp_path), "val", False)


def test_only_the_split_asked_for_is_fetched(tmp_path: Path, monkeypatch, web):
    publish(tmp_path / "published", monkeypatch, web.url)
    web.files = {path.name: path.read_bytes() for path in (tmp_path / "published").iterdir()}
    assert len(SVHN(str(tmp_path / "sets"), "validation", True)) == 10
    assert len(SVHN(str(tmp_path / "sets"), "train", False)) == 40
    assert [name for name, _ in web.asked] == ["train_32x32.mat"]
    with pytest.raises(UserError, match=r"data.split=extra .*put http.*/extra_32x32.mat into"):
        SVHN(str(tmp_path / "sets"), "extra", False)


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch):
    publish(tmp_path, monkeypatch)
    (tmp_path / "train_32x32.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")
    with pytest.raises(UserError, match="svhn in .* is incomplete or damaged"):
        len(SVHN(str(tmp_path), "train", False))


def test_the_held_out_pictures_are_always_the_same():
    held_out, others = hold_out(73_257, 10_000)
    assert len(held_out) == 10_000 and len(others) == 63_257
    assert np.array_equal(np.sort(np.concatenate([held_out, others])), np.arange(73_257))
    assert held_out[:4].tolist() == [5, 15, 37, 57]
    with pytest.raises(UserError, match="10,000 of 500 pictures"):
        hold_out(500, 10_000)
