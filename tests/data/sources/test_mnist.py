import gzip
import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.mnist import EMNIST, MNIST, FashionMNIST, StackedMNIST
from ganlab.errors import UserError


def test_mnist_from_disk(tmp_path: Path, idx):
    pixels = idx(tmp_path / "MNIST" / "raw")
    pack = build(MNIST(str(tmp_path), "train", False), PictureProtocol(28, 1), tmp_path / "packs")
    assert pack.folder.name.startswith("mnist-train-28x1-") and pack.manifest["content"] == "digits"
    assert np.array_equal(pack.images[..., 0], pixels["train"])
    assert pack.labels is not None and pack.labels.tolist() == [index % 10 for index in range(20)]
    test = MNIST(str(tmp_path), "test", False)
    assert np.array_equal(test.read(3)["images"], pixels["t10k"][3])
    assert test.fingerprint() != MNIST(str(tmp_path), "train", False).fingerprint()


def test_a_made_pack_opens_without_reading_the_set(tmp_path: Path, idx, monkeypatch):
    idx(tmp_path / "MNIST" / "raw")
    made = build(MNIST(str(tmp_path), "train", False), PictureProtocol(28, 1), tmp_path / "packs")
    monkeypatch.setattr(MNIST, "decode", None)
    again = build(MNIST(str(tmp_path), "train", False), PictureProtocol(28, 1), tmp_path / "packs")
    assert again.folder == made.folder


def test_pictures_stay_behind_when_a_set_is_sent_to_another_process(tmp_path: Path, idx):
    idx(tmp_path / "MNIST" / "raw")
    digits = MNIST(str(tmp_path), "train", False)
    assert len(digits) == 20
    sent = pickle.dumps(digits)
    assert len(sent) < 2000 and len(pickle.loads(sent)) == 20


def test_mnist_is_fetched_whole_and_once(tmp_path: Path, mnist_web, web):
    for _ in range(2):
        assert np.array_equal(MNIST(str(tmp_path / "sets"), "train", True).decoded.images, mnist_web)
    assert len(web.asked) == 4 and not list(tmp_path.glob("sets/MNIST/raw/*.gz"))
    assert len(MNIST(str(tmp_path / "sets"), "test", False)) == 20


def test_a_second_mirror_is_asked(tmp_path: Path, mnist_web, web, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [web.url + "gone/", web.url])
    assert len(MNIST(str(tmp_path), "train", True)) == 20
    assert len(web.asked) == 8


def test_a_failing_download_is_one_line_and_leaves_nothing_that_looks_whole(tmp_path: Path, mnist_web, web):
    web.files["train-labels-idx1-ubyte.gz"] = b"<html>504</html>"
    with pytest.raises(UserError, match="train-labels-idx1-ubyte.gz is not the file that was published"):
        MNIST(str(tmp_path), "train", True)
    with pytest.raises(UserError, match="ubyte is missing: type `python src/prepare.py data=mnist .*data.root"):
        MNIST(str(tmp_path), "train", False)


def test_a_damaged_set_is_named(tmp_path: Path, idx):
    idx(tmp_path / "MNIST" / "raw")
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="mnist in .*raw is incomplete or damaged .*delete its files there"):
        build(MNIST(str(tmp_path), "train", False), PictureProtocol(28, 1), tmp_path / "packs")
    with pytest.raises(UserError, match="data.split=valid is not in mnist: take one of train, test"):
        MNIST(str(tmp_path), "valid", False)


def test_fashion_mnist_lies_beside_mnist(tmp_path: Path, idx):
    idx(tmp_path / "FashionMNIST" / "raw")
    clothes = FashionMNIST(str(tmp_path), "train", False)
    assert clothes.name == "fashion_mnist-train" and clothes.content is None and len(clothes) == 20
    assert clothes.classes[0] == "T-shirt/top"
    with pytest.raises(UserError, match="data=mnist"):
        MNIST(str(tmp_path), "train", False)


def test_emnist_is_upright_and_its_classes_begin_at_zero(tmp_path: Path, idx):
    for part in ("letters", "digits"):
        stems = (f"emnist-{part}-train", f"emnist-{part}-test")
        pixels = idx(tmp_path / "EMNIST" / "raw", stems)
        labels = tmp_path / "EMNIST" / "raw" / f"emnist-{part}-train-labels-idx1-ubyte"
        head, values = labels.read_bytes()[:8], np.frombuffer(labels.read_bytes()[8:], np.uint8)
        labels.write_bytes(head + (values + (part == "letters")).astype(np.uint8).tobytes())
        source = EMNIST(str(tmp_path), part, "train", False)
        assert source.name == f"emnist-{part}-train"
        assert np.array_equal(source.read(3)["images"], pixels[stems[0]][3].T) and source.read(3)["labels"] == 3
    assert source.content == "digits" and len(EMNIST(str(tmp_path), "letters", "test", False).classes) == 26
    with pytest.raises(UserError, match="data.part=kanji is not in EMNIST: take one of byclass, bymerge"):
        EMNIST(str(tmp_path), "kanji", "train", False)


def test_emnist_is_fetched_once_for_all_parts(tmp_path: Path, idx, web, monkeypatch):
    names = [f"emnist-{part}-{split}" for part in ("letters", "mnist") for split in ("train", "test")]
    idx(tmp_path / "published", tuple(names))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (tmp_path / "published").iterdir():
            archive.writestr(f"gzip/{path.name}.gz", gzip.compress(path.read_bytes()))
    web.files["gzip.zip"] = packed.getvalue()
    monkeypatch.setattr(datasets.EMNIST, "url", web.url + "gzip.zip")
    monkeypatch.setattr(datasets.EMNIST, "md5", hashlib.md5(packed.getvalue()).hexdigest())
    for part in ("letters", "mnist", "letters"):
        assert len(EMNIST(str(tmp_path), part, "train", True)) == 20
    assert len(web.asked) == 1


def test_stacked_mnist_is_three_digits_and_their_number(tmp_path: Path, idx):
    pixels = idx(tmp_path / "MNIST" / "raw")["train"]
    source = StackedMNIST(str(tmp_path), "train", 500, 0, False)
    other = StackedMNIST(str(tmp_path), "train", 500, 1, False)
    assert len(source) == 500 and source.fingerprint() != other.fingerprint()
    modes = set()
    for index in range(500):
        record = source.read(index)
        assert record["images"].shape == (28, 28, 3)
        channels = np.moveaxis(record["images"], -1, 0)
        red, green, blue = (np.flatnonzero((pixels == channel).all((1, 2)))[0] % 10 for channel in channels)
        assert record["labels"] == 100 * red + 10 * green + blue
        modes.add(record["labels"])
    assert 350 < len(modes) < 430  # 500 draws of 1,000 modes give 393 on average
    again = pickle.loads(pickle.dumps(source))
    assert all(np.array_equal(again.read(index)["images"], source.read(index)["images"]) for index in (0, 499))
    with pytest.raises(ValueError, match="seed=-1 must be a whole number of at least 0"):
        StackedMNIST(str(tmp_path), "train", 500, -1, False)
