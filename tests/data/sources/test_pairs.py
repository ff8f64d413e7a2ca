import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol, UnreadableImageError
from ganlab.data.sources.pairs import Pairs
from ganlab.errors import UserError

SQUEEZE = PictureProtocol(8, 3, crop="none")


def paint(path: Path, *colours: str, size: tuple[int, int] = (10, 6)) -> None:
    """Save a picture of fields of colours, side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (size[0] * len(colours), size[1]))
    for number, colour in enumerate(colours):
        picture.paste(colour, (size[0] * number, 0, size[0] * (number + 1), size[1]))
    picture.save(path)


def pairs(root: Path, **changed: str) -> Pairs:
    return Pairs(
        **{"root": str(root), "split": "train", "set": None, "direction": "a_to_b", "download": False} | changed
    )  # type: ignore[arg-type]


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    for number in range(3):
        paint(tmp_path / "joined" / "train" / f"{number}.png", "red", "blue")
    return tmp_path / "joined"


@pytest.mark.parametrize("direction, colours", [("a_to_b", ("red", "blue")), ("b_to_a", ("blue", "red"))])
def test_halves_become_inputs_and_targets_squeezed_whole(joined, tmp_path, direction, colours):
    pack = build(pickle.loads(pickle.dumps(pairs(joined, direction=direction))), SQUEEZE, tmp_path / "packs")
    assert pack.folder.name.startswith("pairs-joined-train-8x3-") and set(pack.arrays) == {"inputs", "targets"}
    for array, colour in zip((pack.arrays["inputs"], pack.arrays["targets"]), colours, strict=True):
        assert array.shape == (3, 8, 8, 3)
        assert np.array_equal(
            np.unique(array.reshape(-1, 3), axis=0), [Image.new("RGB", (1, 1), colour).getpixel((0, 0))]
        )


def test_each_direction_has_a_pack_of_its_own(joined):
    assert pairs(joined).fingerprint() != pairs(joined, direction="b_to_a").fingerprint()


@pytest.mark.parametrize("layout", ["train{}", "{}/train", "train/{}"])
def test_two_folders_are_matched_by_names_without_endings(tmp_path, layout):
    for side, colour, ending in (("A", "red", "png"), ("B", "blue", "bmp")):
        for name in ("x/2", "1"):
            paint(tmp_path / layout.format(side) / f"{name}.{ending}", colour)
    source = pairs(tmp_path)
    assert len(source) == 2 and source.files == [["1.png", "x/2.png"], ["1.bmp", "x/2.bmp"]]
    record = source.read(1)
    assert record["inputs"].file.name == "2.png" and record["targets"].file.name == "2.bmp"


def test_pictures_without_a_partner_are_named(tmp_path):
    for name in ("1", "2", "3"):
        paint(tmp_path / "trainA" / f"{name}.png", "red")
    with pytest.raises(UserError, match="trainB is missing, .*trainA exists"):
        pairs(tmp_path)
    (tmp_path / "trainB").mkdir()
    with pytest.raises(UserError, match="trainB holds no picture"):
        pairs(tmp_path)
    paint(tmp_path / "trainB" / "2.png", "blue")
    with pytest.raises(UserError, match="trainA/1.png and 1 more of 3 have no partner of the same name in .*trainB"):
        pairs(tmp_path)
    for name in ("1", "3", "4"):
        paint(tmp_path / "trainB" / f"{name}.png", "blue")
    with pytest.raises(UserError, match="trainB/4.png of 4 have no partner"):
        pairs(tmp_path)
    (tmp_path / "trainB" / "4.png").rename(tmp_path / "trainB" / "2.jpg")
    with pytest.raises(UserError, match="trainB holds both 2.jpg and 2.png"):
        pairs(tmp_path)


def test_a_picture_of_odd_width_is_no_pair(joined, tmp_path):
    paint(joined / "train" / "9.png", "red", size=(7, 4))
    with pytest.raises(UnreadableImageError, match="7 pixels wide"):
        pairs(joined).read(3)
    with pytest.raises(UserError, match=r"9.png: 7 pixels wide: not two pictures"):
        build(pairs(joined), SQUEEZE, tmp_path / "packs")
    assert len(build(pairs(joined), SQUEEZE, tmp_path / "packs", max_broken=0.3)) == 3


def test_pictures_of_different_shapes_are_no_pair(tmp_path):
    for name, size in (("1", (20, 12)), ("2", (10, 10)), ("3", (12, 20))):
        paint(tmp_path / "trainA" / f"{name}.png", "red", size=(10, 6))
        paint(tmp_path / "trainB" / f"{name}.png", "blue", size=size)
    turned = Image.Exif()
    turned[0x0112] = 6  # lies on its side
    Image.new("RGB", (12, 20)).save(tmp_path / "trainB" / "3.png", exif=turned)
    (tmp_path / "trainA" / "4.png").write_bytes(b"broken")
    paint(tmp_path / "trainB" / "4.png", "blue")
    source = pairs(tmp_path)
    assert set(source.read(0)) == set(source.read(2)) == {"inputs", "targets"}
    with pytest.raises(UnreadableImageError, match="2.png.*of 10x6, but its partner 2.png of 10x10 pixels"):
        source.read(1)
    with pytest.raises(UnreadableImageError, match="4.png"):
        source.read(3)


def test_wrong_values_say_what_to_type(joined, tmp_path):
    with pytest.raises(UserError, match="joined holds train, but no val .*set data.split"):
        pairs(joined, split="val")
    with pytest.raises(ValueError, match="direction=back must be a_to_b or b_to_a"):
        pairs(joined, direction="back")
    with pytest.raises(UserError, match="data.root=.*gone does not exist"):
        pairs(tmp_path / "gone")
