import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.celeba import CelebA
from ganlab.errors import UserError

NAMES = [f"Attribute_{number}" for number in range(40)]
SIGNS = np.where(np.random.default_rng(0).random((6, 40)) < 0.5, -1, 1)


@pytest.fixture
def root(tmp_path: Path, rng) -> Path:
    """Six faces in a zip file: four to train, one each to validate and to test."""
    root = tmp_path / "celeba"
    folder = root / "img_align_celeba"
    folder.mkdir(parents=True)
    for number in range(6):
        picture = rng.integers(0, 256, (218, 178, 3), np.uint8)
        picture[55:163, 35:143] = number * 40
        Image.fromarray(picture).save(folder / f"{number + 1:06d}.jpg", quality=95)
    files = [f"{number + 1:06d}.jpg" for number in range(6)]
    parts = [0, 0, 0, 0, 1, 2]
    (root / "list_eval_partition.txt").write_text("".join(f"{f} {p}\n" for f, p in zip(files, parts, strict=True)))
    rows = [f"{file} {' '.join(map(str, signs))}" for file, signs in zip(files, SIGNS, strict=True)]
    (root / "list_attr_celeba.txt").write_text("\n".join(["6", " ".join(NAMES), *rows, ""]))
    with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"img_align_celeba/{file.name}")
    shutil.rmtree(folder)
    return root


def test_faces_are_cut_out_and_attributes_are_labels(root: Path, tmp_path: Path):
    pack = build(CelebA(str(root), "train"), PictureProtocol(64, 3, crop=108), tmp_path / "packs")
    assert pack.images.shape == (4, 64, 64, 3)
    for number in range(4):  # the middle 108x108 alone
        assert np.abs(pack.images[number].astype(int) - number * 40)[2:-2, 2:-2].max() <= 12  # as JPEG has it
    assert pack.labels is not None and np.array_equal(pack.labels, (SIGNS[:4] + 1) // 2)
    assert pack.manifest["attributes"] == NAMES and pack.manifest["classes"] is None


def test_the_zip_file_and_its_folder_give_the_same(root: Path, tmp_path: Path):
    packed = CelebA(str(root), "all")
    before = packed.fingerprint()
    copy = pickle.loads(pickle.dumps(packed))
    with zipfile.ZipFile(root / "img_align_celeba.zip") as archive:
        archive.extractall(root)
    unpacked = CelebA(str(root), "all")
    assert unpacked.fingerprint() != before and len(unpacked) == len(packed) == 6
    protocol = PictureProtocol(16, 3)
    for index in range(6):
        assert np.array_equal(
            protocol.prepare(copy.read(index)["images"]), protocol.prepare(unpacked.read(index)["images"])
        )


@pytest.mark.parametrize(("split", "count"), [("train", 4), ("valid", 1), ("test", 1), ("all", 6)])
def test_splits(root: Path, split, count):
    assert len(CelebA(str(root), split)) == count


@pytest.mark.parametrize("name", ["img_align_celeba.zip", "list_attr_celeba.txt", "list_eval_partition.txt"])
def test_what_to_fetch_by_hand_and_where_to_put_it_is_told(root: Path, name):
    (root / name).unlink()
    message = rf"{name} is missing.*open https://drive.google.com/file/d/\S+ .*put {name} into {root}; or set data.root"
    with pytest.raises(UserError, match=message):
        CelebA(str(root), "train")


def test_damaged_lists_and_splits_that_do_not_exist(root: Path):
    with pytest.raises(UserError, match="data.split=val is not in CelebA: take one of train, valid, test, all"):
        CelebA(str(root), "val")
    lines = (root / "list_attr_celeba.txt").read_text().splitlines()
    (root / "list_attr_celeba.txt").write_text("\n".join([*lines[:-1], lines[-1][:30]]))
    with pytest.raises(UserError, match="are damaged or do not belong together .*fetch both again"):
        CelebA(str(root), "all")
    (root / "list_eval_partition.txt").write_text("000001.jpg 0\n")
    with pytest.raises(UserError, match="are damaged or do not belong together"):
        CelebA(str(root), "train")


def test_damaged_pictures_are_skipped_and_a_damaged_zip_file_is_told(root: Path, tmp_path: Path):
    archive = root / "img_align_celeba.zip"
    data = bytearray(archive.read_bytes())
    data[5000] ^= 255  # within the first picture
    archive.write_bytes(data)
    pack = build(CelebA(str(root), "train"), PictureProtocol(8, 3), tmp_path / "packs", max_broken=0.5)
    assert len(pack) == 3 and pack.manifest["skipped"][0][0] == "000001.jpg"
    assert "CRC" in pack.manifest["skipped"][0][1]
    root = root.rename(root.with_name("cut"))
    (root / archive.name).write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="img_align_celeba.zip is damaged or cut off .*fetch it again"):
        build(CelebA(str(root), "train"), PictureProtocol(8, 3), tmp_path / "others", max_broken=0.5)
