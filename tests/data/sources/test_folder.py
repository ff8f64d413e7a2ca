import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.pictures import UnreadableImageError, decode
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError


def test_sub_folders_are_classes_and_order_is_that_of_paths(photos: Path):
    source = Folder(str(photos))
    assert len(source) == 30 and source.classes == ["cat", "dog"] and source.name == "folder-photos"
    assert source.files[:2] == ["cat/00.png", "cat/02.png"]
    assert [source.read(index)["labels"] for index in (0, 14, 15, 29)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("names", "warning"),
    [
        (
            ("val", "train"),
            "sub-folders train, val of {0} became the only classes: if that is wrong, set data.root={0}/train",
        ),
        (
            ("pets", None),
            "the sub-folder pets of {0} became the only classes: if that is wrong, set data.root={0}/pets",
        ),
        (("cat", "train"), None),
    ],
)
def test_hardly_classes_are_doubted(photos: Path, caplog, names, warning):
    for old, new in zip(("cat", "dog"), names, strict=True):
        if new is None:
            (photos / old).rename(photos / names[0] / "young")
        elif new != old:
            (photos / old).rename(photos / new)
    Folder(str(photos))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (warning is not None) and (warning is None or told[0].endswith(warning.format(photos)))


def test_a_deeper_folder_belongs_to_its_top_folder(photos: Path):
    (photos / "cat").rename(photos / "moved")
    (photos / "pets").mkdir()
    (photos / "moved").rename(photos / "pets" / "cat")
    assert Folder(str(photos)).classes == ["dog", "pets"]


def test_loose_pictures_mean_no_labels(photos: Path):
    Image.new("L", (4, 4)).save(photos / "loose.PNG")
    source = Folder(str(photos))
    assert source.classes is None and len(source) == 31 and "labels" not in source.read(30)


def test_hidden_files_pipes_other_files_and_link_loops_are_left_out(photos: Path):
    (photos / "cat" / "._00.png").write_bytes(b"resource fork")
    (photos / ".cache").mkdir()
    Image.new("L", (4, 4)).save(photos / ".cache" / "thumb.png")
    (photos / "cat" / "notes.txt").write_text("no picture")
    os.mkfifo(photos / "cat" / "pipe.png")
    (photos / "cat" / "up").symlink_to(photos)
    (photos / "dog" / "self").symlink_to("self")
    assert len(Folder(str(photos))) == 30


def test_links_to_files_count_and_dangling_ones_are_broken_pictures(photos: Path):
    (photos / "cat" / "link.jpg").symlink_to(photos / "dog" / "01.png")
    (photos / "cat" / "nowhere.png").symlink_to("gone")
    (photos / "cat" / "oneself.png").symlink_to("oneself.png")
    source = Folder(str(photos))
    assert len(source) == 33
    link, target = (decode(source.read(source.files.index(name))["images"]) for name in ("cat/link.jpg", "dog/01.png"))
    assert link.tobytes() == target.tobytes()
    with pytest.raises(UnreadableImageError, match="cat/nowhere.png"):
        decode(source.read(source.files.index("cat/nowhere.png"))["images"])


def test_fingerprint_follows_names_sizes_and_times_but_not_the_place(photos: Path):
    before = Folder(str(photos)).fingerprint()
    moved = photos.rename(photos.with_name("moved"))
    assert Folder(str(moved)).fingerprint() == before
    os.utime(moved / "cat" / "00.png", (1, 1))
    touched = Folder(str(moved)).fingerprint()
    (moved / "cat" / "00.png").rename(moved / "cat" / "zz.png")
    renamed = Folder(str(moved)).fingerprint()
    assert len({facts["sha256"] for facts in (before, touched, renamed)}) == 3


def test_names_that_are_no_text(tmp_path: Path):
    strange = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    try:
        Image.new("L", (4, 4), 7).save(os.fsdecode(strange))
    except OSError:
        pytest.skip("this file system wants names in UTF-8")
    source = Folder(str(tmp_path))
    assert len(source.fingerprint()["sha256"]) == 64 and np.asarray(decode(source.read(0)["images"])).max() == 7


def test_missing_empty_and_packed_folders_say_what_to_set(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist: set data.root"):
        Folder(str(tmp_path / "gone"))
    with pytest.raises(UserError, match="holds no picture .*jpg.*set data.root"):
        Folder(str(tmp_path))
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="is a file: unpack it"):
        Folder(str(tmp_path / "photos.zip"))


def test_other_files_are_counted_by_kind_and_named(photos: Path, caplog):
    for name in ("cat/b.MOV", "cat/a.mov", "dog/IMG_2.HEIC", "dog/README", "list.csv", "notes.txt", "x.json", "y.xml"):
        (photos / name).write_bytes(b"")
    assert len(Folder(str(photos))) == 30
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        f"left aside in {photos}: 2 .mov (cat/a.mov, ...; videos: extract frames), 1 .heic (dog/IMG_2.HEIC; HEIC "
        "photographs, for which there is no reader: convert them to JPEG), 1 without an ending (dog/README), "
        "1 .csv (list.csv), 1 .txt (notes.txt), 2 other files"
    )


def test_a_folder_without_a_picture_names_what_it_holds(tmp_path: Path):
    (tmp_path / "data.mdb").write_bytes(b"")
    with pytest.raises(UserError, match=r"holds no picture .it holds 1 .mdb .data.mdb; an LMDB file: data=lsun"):
        Folder(str(tmp_path))


@pytest.mark.parametrize(
    "name", ["@eaDir", "__MACOSX", ".ipynb_checkpoints", ".thumbnails", "$RECYCLE.BIN", "#recycle"]
)
def test_folders_of_the_system_are_no_classes(photos: Path, name, caplog):
    for place in (photos, photos / "cat"):
        (place / name).mkdir()
        Image.new("L", (4, 4)).save(place / name / "0.png")
    (photos / "Thumbs.db").write_bytes(b"")
    source = Folder(str(photos))
    assert source.classes == ["cat", "dog"] and len(source) == 30 and not caplog.records


def test_a_class_keeps_its_own_name_whatever_links_to_it(photos: Path, tmp_path: Path):
    (tmp_path / "birds").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "birds" / "b.png")
    (photos / "dog" / "young").mkdir()
    Image.new("L", (4, 4)).save(photos / "dog" / "young" / "y.png")
    for link, target in (("all", "."), ("a", "cat"), ("zz", "dog"), ("an", "dog/young"), ("bird", tmp_path / "birds")):
        (photos / link).symlink_to(target)
    source = Folder(str(photos))
    assert source.classes == ["bird", "cat", "dog"] and len(source) == 32
    assert "dog/young/y.png" in source.files and source.files[0] == "bird/b.png"


def test_packs_and_runs_below_a_folder_of_pictures_are_no_pictures(photos: Path, caplog):
    made = {
        "outputs/a": ("environment.json", "config.yaml"),
        "outputs/s": ("jobs.yaml", "sweep.csv"),
        "packs/p": ("pack.json",),
    }
    for name, files in made.items():
        (photos / name / "samples").mkdir(parents=True)
        for file in files:
            (photos / name / file).touch()
        for place in (name, f"{name}/samples"):
            Image.new("L", (4, 4)).save(photos / place / "sheet.png")
    before = Folder(str(photos))
    assert len(before) == 30 and before.classes == ["cat", "dog"]
    assert "packs/p/pack.json" in caplog.text and "outputs/a/config.yaml" in caplog.text
    assert len(Folder(str(photos / "outputs" / "a"))) == 2  # where that is what was asked for
