import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.comparison import changes
from ganlab.data.packs.pack import Pack, build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.source import Subset
from ganlab.data.sources.folder import Folder


def packed(root: Path) -> Pack:
    return build(Folder(str(root)), PictureProtocol(16, 3), root.parent / "packs")


def touch(root: Path) -> None:
    for path in root.rglob("*.png"):
        os.utime(path, (1, 1))


def move(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


def encode_again(root: Path) -> None:
    path = root / "cat" / "04.png"
    with Image.open(path) as picture:
        picture.load()
    picture.save(path, compress_level=0)


@pytest.mark.parametrize("act", [touch, move, encode_again])
def test_the_same_pictures_at_other_times_and_places_are_the_same(photos: Path, act: Callable[[Path], None]):
    first = packed(photos)
    act(photos)
    second = packed(photos if photos.exists() else photos.with_name("elsewhere"))
    assert second.folder != first.folder and changes(first.content, second) == []


def lose(root: Path) -> None:
    for number in (0, 2, 4, 6, 8):
        (root / "cat" / f"{number:02d}.png").unlink()


def rename_in_order(root: Path) -> None:
    (root / "dog" / "29.png").rename(root / "dog" / "30.png")


def exchange(root: Path) -> None:
    for number, other in ((1, 3), (5, 7)):
        shutil.copy2(root / "dog" / f"{number:02d}.png", root / "dog" / f"{other:02d}.png")


def relabel(root: Path) -> None:
    (root / "dog" / "01.png").rename(root / "cat" / "01.png")


@pytest.mark.parametrize(
    ("act", "then_and_now", "named"),
    [
        (lose, "30 pictures then, 25 now", ["gone: cat/00.png, cat/02.png, cat/04.png and 2 more"]),
        (rename_in_order, "30 pictures then, 30 now", ["gone: dog/29.png", "new: dog/30.png"]),
        (exchange, "30 pictures then, 30 now", ["different: dog/03.png, dog/07.png"]),
        (relabel, "30 pictures then, 30 now", ["gone: dog/01.png", "new: cat/01.png"]),
    ],
)
def test_changed_pictures_are_counted_and_named(
    photos: Path, act: Callable[[Path], None], then_and_now: str, named: list[str]
):
    first = packed(photos)
    act(photos)
    second = packed(photos)
    assert changes(first.content, second) == [then_and_now, *named]
    shutil.rmtree(first.folder)  # what it held is no longer known
    other = "other names" if act is rename_in_order else "other images"
    assert changes(first.content, second) == [then_and_now, other + " and labels" * (act in (lose, relabel))]


def test_other_labels_of_equal_pictures_are_a_change(photos: Path):
    pack = packed(photos)
    before = pack.content | {
        "arrays": pack.content["arrays"] | {"labels": {"shape": [30], "dtype": "int64", "crc32": 1}}
    }
    assert changes(before, pack) == ["30 pictures then, 30 now", "other labels"]
    before = pack.content | {"arrays": {"images": pack.content["arrays"]["images"]}}
    assert changes(before, pack) == ["30 pictures then, 30 now", "other labels"]


def test_packs_of_before_names_were_kept_are_compared_by_their_pixels(photos: Path):
    pack = packed(photos)
    assert changes(pack.content | {"names": None}, pack) == []


def test_names_of_a_part(photos: Path):
    source = Subset(Folder(str(photos)), 3)
    pack = build(source, PictureProtocol(16, 3), photos.parent / "packs")
    assert pack.names() == ["cat/00.png", "cat/20.png", "dog/11.png"]
    assert np.array_equal(pack.images[2], PictureProtocol(16, 3).prepare(source.read(2)["images"]))
