import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from PIL import Image

from ganlab.data.fetching import download
from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol, UnreadableImageError, decode
from ganlab.data.sources import lsun
from ganlab.data.sources.lsun import LSUN, OBJECTS, SCENES, STRIDE, list_marks
from ganlab.errors import UserError

PAGE = 4096


def write_database(folder: Path, count: int, kind: str = "WEBP") -> list[str]:
    """An LMDB folder as LSUN's: picture i is of grey i, under a key that looks like a hash."""
    keys = [f"{(number * 2654435761) % 2**32:040x}" for number in range(count)]
    with lmdb.open(str(folder), map_size=2**26) as environment, environment.begin(write=True) as writer:
        for number, key in enumerate(keys):
            file = io.BytesIO()
            Image.new("RGB", (12, 9), (number % 256,) * 3).save(file, kind, quality=100)
            writer.put(key.encode(), file.getvalue())
    return keys


def scenes(root: Path, *classes: str, split: str = "train") -> LSUN:
    return LSUN(str(root), list(classes), split, download=False)


def grey(source: LSUN, index: int) -> int:
    return round(float(np.asarray(decode(source.read(index)["images"])).mean()))


def test_records_come_in_the_order_of_keys_with_the_class_as_label(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lsun, "MAPPED_RECORDS", 2)  # opened anew in between
    count = 2 * STRIDE + 5
    keys = write_database(tmp_path / "bedroom_train_lmdb", count)
    write_database(tmp_path / "cat", 3, "JPEG")
    source = pickle.loads(pickle.dumps(scenes(tmp_path, "bedroom", "cat")))
    assert len(source) == count + 3 and source.name == "lsun-bedroom-cat-train"
    ordered = [number % 256 for number in sorted(range(count), key=keys.__getitem__)]
    for index in (0, 1, STRIDE - 1, STRIDE, STRIDE + 1, count - 1):
        assert abs(grey(source, index) - ordered[index]) <= 1 and source.read(index)["labels"] == 0
    assert [source.read(index)["labels"] for index in range(count, count + 3)] == [1, 1, 1]


@pytest.mark.parametrize("count", [1, STRIDE, STRIDE + 1, 2 * STRIDE, 2 * STRIDE + 1])
def test_marks_are_every_so_many_keys(tmp_path: Path, count: int):
    keys = sorted(write_database(tmp_path / "cow", count))
    assert list_marks(tmp_path / "cow") == [key.encode() for key in keys[::STRIDE]]


def test_pack_of_scenes_leaves_out_a_damaged_record_and_touches_nothing(tmp_path: Path):
    folder = tmp_path / "bedroom_val_lmdb"
    write_database(folder, 19)
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as writer:
        writer.put(b"abc", b"no picture")
    before = sorted(path.name for path in folder.iterdir())
    pack = build(scenes(tmp_path, "bedroom", split="val"), PictureProtocol(64, 3), tmp_path / "packs", max_broken=0.1)
    assert pack.images.shape == (19, 64, 64, 3) and pack.manifest["classes"] == ["bedroom"]
    assert pack.manifest["skipped"] == [["bedroom_val_lmdb/abc", "not a picture of a known format"]]
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_test_set_has_no_labels(tmp_path: Path):
    write_database(tmp_path / "test_lmdb", 5)
    source = LSUN(str(tmp_path), [], "test", download=False)
    assert source.classes is None and source.extras == {} and set(source.read(2)) == {"images"}
    assert source.name == "lsun-test"


def test_all_published_categories_are_known(tmp_path: Path):
    assert len(SCENES) == 10 and len(OBJECTS) == 20
    for name in (*SCENES, *OBJECTS):
        folder = name if name in OBJECTS else f"{name}_train_lmdb"
        archive = f"{'objects' if name in OBJECTS else 'scenes'}/{folder}.zip"
        with pytest.raises(UserError, match=re.escape(f"{folder}/data.mdb is missing: type") + f".*lsun/{archive} and"):
            scenes(tmp_path, name)


def test_missing_data_say_what_to_type_and_to_fetch(tmp_path: Path):
    with pytest.raises(UserError) as told:
        scenes(tmp_path, "bedroom", "tower", split="val")
    command = f"`python src/prepare.py data=lsun data.root={tmp_path} 'data.classes=[bedroom,tower]' data.split=val`"
    assert str(told.value) == (
        f"{tmp_path}/bedroom_val_lmdb/data.mdb is missing: type {command} to fetch it, or fetch "
        f"http://dl.yf.io/lsun/scenes/bedroom_val_lmdb.zip and unzip it in {tmp_path}, or set data.root to the folder "
        "of bedroom_val_lmdb, or to that folder itself"
    )


def test_the_folder_of_a_class_is_a_root_too(tmp_path: Path):
    for name in ("bedroom_train_lmdb", "cat", "test_lmdb", "faces"):
        write_database(tmp_path / name, 3)
    for name, chosen, split in (("bedroom_train_lmdb", "bedroom", "train"), ("cat", "cat", "train")):
        above, itself = (LSUN(str(root), [chosen], split, download=True) for root in (tmp_path, tmp_path / name))
        assert above.fingerprint() == itself.fingerprint() and above.name == itself.name
        assert itself.read(1)["labels"] == 0
    assert len(LSUN(str(tmp_path / "test_lmdb"), [], "test", download=True)) == 3
    own = LSUN(str(tmp_path / "faces"), ["bedroom"], "train", download=True)  # an LMDB file that is not LSUN's
    assert (own.name, own.classes, len(own), set(own.read(0))) == ("lsun-faces", None, 3, {"images"})


@pytest.mark.parametrize(
    ("held", "choice"),
    [
        ("church_outdoor_val_lmdb", "data.classes=[church_outdoor] data.split=val"),
        ("dog", "data.classes=[dog] data.split=train"),
    ],
)
def test_the_folder_of_another_class_is_not_taken_for_the_one_asked_for(tmp_path: Path, held, choice):
    write_database(tmp_path / held, 2)
    with pytest.raises(UserError, match=re.escape(f"/{held} is LSUN's {held}: type {choice}, or data.root=")):
        scenes(tmp_path / held, "bedroom")


def test_missing_data_are_fetched_where_asked(tmp_path: Path, monkeypatch):
    fetched = []

    def fetch_archive(url: str, place: Path, *, expected: Path) -> None:
        fetched.append((url, place))
        write_database(expected, 2)

    monkeypatch.setattr(download, "fetch_archive", fetch_archive)
    for _ in range(2):
        assert len(LSUN(str(tmp_path), ["horse", "tower"], "train", download=True)) == 4
    assert fetched == [
        ("http://dl.yf.io/lsun/objects/horse.zip", tmp_path),
        ("http://dl.yf.io/lsun/scenes/tower_train_lmdb.zip", tmp_path),
    ]


def test_unusable_files_are_refused_before_they_kill_the_process(tmp_path: Path):
    file = tmp_path / "bedroom_train_lmdb" / "data.mdb"
    write_database(file.parent, 200)
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(UserError, match="is cut off .*: delete .*bedroom_train_lmdb and fetch http.* again"):
        scenes(tmp_path, "bedroom")
    for name, content in {"cat": b"<html>404</html>" * 1000, "dog": b"", "cow": b"short"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.mdb").write_bytes(content)
        with pytest.raises(UserError, match="is no LMDB file or damaged"):
            scenes(tmp_path, name)
    lmdb.open(str(tmp_path / "bus")).close()
    with pytest.raises(UserError, match="bus/data.mdb holds no pictures: delete"):
        scenes(tmp_path, "bus")


def leaves(file: Path) -> list[int]:
    """The pages of an LMDB file that hold keys."""
    content = file.read_bytes()
    kinds = [int.from_bytes(content[start + 10 : start + 12], "little") for start in range(0, len(content), PAGE)]
    return [page for page, kind in enumerate(kinds) if kind == 2]


@pytest.mark.parametrize("damage", [bytes(PAGE), b"\xff" * PAGE], ids=["zeros", "ones"])
def test_a_damaged_page_of_keys_is_told(tmp_path: Path, damage):
    file = tmp_path / "bird" / "data.mdb"
    write_database(file.parent, 400)
    pages = leaves(file)
    with file.open("r+b") as content:
        content.seek(pages[len(pages) // 2] * PAGE)
        content.write(damage)
    with pytest.raises(UserError, match=r"bird/data.mdb is damaged \(.*\): delete .*bird and fetch"):
        build(scenes(tmp_path, "bird"), PictureProtocol(8, 3), tmp_path / "packs", max_broken=0.0)


def test_an_error_of_the_database_is_that_of_a_record(tmp_path: Path, monkeypatch):
    write_database(tmp_path / "boat", 3)
    source = scenes(tmp_path, "boat")
    source.__dict__["_marks"] = [[b""]]  # an empty key is none
    with pytest.raises(UnreadableImageError, match="boat, record 1"):
        source.read(1)


@pytest.mark.parametrize(
    "classes, split, told",
    [
        ([], "train", r"data.classes=\[\] names no class"),
        (["bedroom"], "all", "data.split=all is not in LSUN: take one of train, val, test"),
        (["bedroom"], "test", r"no labels: write data.split=test data.classes=\[\]"),
        (["cat"], "val", "cat, are not split: take data.split=train"),
        (["bedrom"], "train", "holds bedrom, which LSUN does not: take bedroom$"),
        (["church"], "train", "take church_outdoor$"),
        (["tv"], "train", "take tv-monitor$"),
        (["xyzzy"], "train", "take bedroom, bridge, .*tv-monitor$"),
        (["cat", "cat"], "train", "names a class twice"),
    ],
)
def test_impossible_values_are_refused(tmp_path: Path, classes: Any, split: str, told: str):
    with pytest.raises(UserError, match=told):
        LSUN(str(tmp_path), classes, split, download=False)
