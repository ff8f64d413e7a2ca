import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.imagenet import TRAIN_TAR, ImageNet
from ganlab.errors import UserError

WNIDS = ["n01440764", "n01443537", "n02084071"]
PAPER = PictureProtocol(32, 3, "bilinear")


@pytest.fixture
def folders(tmp_path: Path, rng) -> Path:
    """Three classes of four, five and six JPEG files of several shapes."""
    for label, wnid in enumerate(WNIDS):
        for number in range(4 + label):
            path = tmp_path / "folders" / wnid / f"{wnid}_{number}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (40 + 3 * number, 50 + label, 3), np.uint8)
            Image.fromarray(pixels).save(path, "JPEG")
    return tmp_path / "folders"


def packed(folders: Path, place: Path, names: str = "{wnid}.tar") -> Path:
    """The training tar file: a tar file of every class, in another order than that of their names."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place, "w") as outer:
        for wnid in reversed(WNIDS):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as archive:
                for file in sorted((folders / wnid).iterdir()):
                    archive.add(file, file.name)
            member = tarfile.TarInfo(names.format(wnid=wnid))
            member.size = len(inner.getvalue())
            inner.seek(0)
            outer.addfile(member, inner)
    return place


def test_the_tar_file_and_folders_give_the_same_pack(folders: Path, tmp_path: Path):
    place = packed(folders, tmp_path / "sets" / TRAIN_TAR)
    made = [
        build(ImageNet(str(root)), PAPER, tmp_path / f"packs-{number}")
        for number, root in enumerate([folders, place, place.parent])
    ]
    for pack in made:
        assert pack.manifest["classes"] == WNIDS and pack.manifest["source"] == "imagenet-train"
        assert pack.labels is not None and pack.labels.tolist() == [0] * 4 + [1] * 5 + [2] * 6
        assert np.array_equal(pack.images, made[0].images)
    assert made[1].folder.name == made[2].folder.name != made[0].folder.name


def test_folders_may_lie_in_train(folders: Path, tmp_path: Path):
    (tmp_path / "ILSVRC").mkdir()
    folders.rename(tmp_path / "ILSVRC" / "train")
    assert len(ImageNet(str(tmp_path / "ILSVRC"))) == 15
    (tmp_path / "ILSVRC" / "train" / "extra").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "ILSVRC" / "train" / "extra" / "a.png")
    with pytest.raises(UserError, match="holds more than folders such as n01440764"):
        ImageNet(str(tmp_path / "ILSVRC"))


def test_the_list_of_a_tar_file_travels_along(folders: Path, tmp_path: Path, monkeypatch):
    place = packed(folders, tmp_path / TRAIN_TAR)
    sent = pickle.dumps(ImageNet(str(place)))
    monkeypatch.setattr("ganlab.data.sources.imagenet.headers", None)
    arrived = pickle.loads(sent)
    record = arrived.read(8)
    assert len(arrived) == 15 and record["labels"] == 1 and record["images"].name == "n01443537_4.JPEG"


def test_damage_is_told(folders: Path, tmp_path: Path):
    place = packed(folders, tmp_path / TRAIN_TAR)
    whole = place.read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole[:20_000])
    with pytest.raises(UserError, match="cut.tar is cut off at byte 20,000: delete it and fetch it again"):
        ImageNet(str(cut))
    (tmp_path / "text.tar").write_bytes(b"<html>" * 1000)
    with pytest.raises(UserError, match="text.tar is damaged at byte 0"):
        ImageNet(str(tmp_path / "text.tar"))
    with pytest.raises(UserError, match="pictures.tar holds no tar file of a class"):
        ImageNet(str(packed(folders, tmp_path / "pictures.tar", "{wnid}.JPEG")))
    inner = bytearray(whole)
    inner[512 + 100] ^= 255  # in the header of the first picture of the first class
    (tmp_path / "inner.tar").write_bytes(inner)
    with pytest.raises(UserError, match="inner.tar is damaged at byte 512"):
        len(ImageNet(str(tmp_path / "inner.tar")))


def test_what_to_fetch_by_hand_is_told(tmp_path: Path):
    message = rf"{tmp_path} holds neither {TRAIN_TAR} .*https://image-net.org/download-images.*into {tmp_path};"
    with pytest.raises(UserError, match=message):
        ImageNet(str(tmp_path))
