"""Packs with damage at random places: one clear line or the right pictures, never others."""

import json
import os
import random
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs import writer
from ganlab.data.packs.pack import FACTS, Pack, arrays_of, build, checksum
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.record_reader import read_chunk
from ganlab.data.packs.writer import PackWriter, sealed, unsealed
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError

PROTOCOL = PictureProtocol(8, 3)
WRONG = (None, True, -1, 10**30, 0.5, "x", [], [[]], {}, {"images": 3}, {"images": {}})
Damage = Callable[[Path, random.Random], object]


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    rng = np.random.default_rng(1)
    for number in range(12):
        path = tmp_path / "pictures" / f"{number % 3}" / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    return Folder(str(tmp_path / "pictures"))


def some_file(folder: Path, rng: random.Random) -> Path:
    return rng.choice(sorted(path for path in folder.iterdir() if path.is_file()))


def truncate(folder: Path, rng: random.Random) -> None:
    file = some_file(folder, rng)
    os.truncate(file, rng.randrange(file.stat().st_size))


def flip(folder: Path, rng: random.Random) -> None:
    file = some_file(folder, rng)
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def lengthen(folder: Path, rng: random.Random) -> None:
    with some_file(folder, rng).open("ab") as file:
        file.write(rng.randbytes(rng.randrange(1, 300)))


def lose(folder: Path, rng: random.Random) -> None:
    some_file(folder, rng).unlink()


def turn_into_folder(folder: Path, rng: random.Random) -> None:
    file = some_file(folder, rng)
    file.unlink()
    file.mkdir()


def change_facts(folder: Path, rng: random.Random) -> None:
    facts = json.loads((folder / "pack.json").read_text())
    name = rng.choice(sorted(facts.keys() - {"checksum"}))
    if rng.random() < 0.4:
        del facts[name]
    else:
        facts[name] = rng.choice([one for one in WRONG if one != facts[name]])
    (folder / "pack.json").write_text(json.dumps(facts))


def change_an_old_pack(folder: Path, rng: random.Random) -> None:
    """Without a checksum, as packs had none, a fact is missing or of another type."""
    facts = json.loads((folder / "pack.json").read_text())
    del facts["checksum"]
    name = rng.choice(["key", "source", "fingerprint", "protocol", "skipped", "rejected", "count", "arrays"])
    facts[name] = rng.choice([one for one in WRONG if type(one) is not type(facts[name])])
    if rng.random() < 0.4:
        del facts[name]
    (folder / "pack.json").write_text(json.dumps(facts))


def write_no_object(folder: Path, rng: random.Random) -> None:
    (folder / "pack.json").write_text(rng.choice(["", "[]", "3", "null", "[" * 100_000, '"x"', "\0", "\ufeff{}"]))


def swap(folder: Path, rng: random.Random) -> None:
    """Move in another array, with its old times."""
    file = folder / f"{rng.choice(['images', 'labels'])}.npy"
    other = folder.parent / "other.npy"
    np.save(other, np.zeros_like(np.load(file)) if rng.random() < 0.7 else np.zeros((12, 8, 8, 1), np.uint8))
    os.utime(other, (1, 1))
    os.replace(other, file)


def pickle(folder: Path, rng: random.Random) -> None:
    np.save(folder / "images.npy", np.array([{}, []], object), allow_pickle=True)


DAMAGES: tuple[Damage, ...] = (
    *(truncate, flip, flip, flip, lengthen, lose, turn_into_folder, change_facts, change_an_old_pack),
    *(write_no_object, swap, pickle),
)


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.soak)])
def test_a_damaged_pack_is_refused_in_one_line_and_made_again(source: Folder, tmp_path: Path, count: int):
    whole = build(source, PROTOCOL, tmp_path / "whole")
    folder = tmp_path / "packs" / whole.folder.name
    refused = 0
    for number in range(count):
        rng, damage = random.Random(number), DAMAGES[number % len(DAMAGES)]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole.folder, folder)
        damage(folder, rng)
        for again in (Pack.open, lambda _: build(source, PROTOCOL, folder.parent)):
            try:
                pack = again(folder)
            except UserError as error:
                assert again == Pack.open and str(folder) in str(error) and "\n" not in str(error), damage.__name__
                refused += 1
            else:
                same = {name: np.array_equal(array, whole.arrays[name]) for name, array in pack.arrays.items()}
                assert same == {"images": True, "labels": True}, damage.__name__
                facts = {key: pack.manifest.get(key) for key in whole.manifest}
                assert facts == whole.manifest, damage.__name__
                assert pack.names() in (None, source.files)
    assert refused > 0.7 * count  # what is left are damaged names, and bits of no meaning


@pytest.mark.parametrize("count", [20, pytest.param(150, marks=pytest.mark.soak)])
def test_a_damaged_beginning_is_continued_only_if_it_is_right(source, tmp_path: Path, count: int, monkeypatch):
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0)
    whole = build(source, PROTOCOL, tmp_path / "whole")
    folder = tmp_path / "packs" / whole.folder.name
    for number in range(count):
        begun = PackWriter(folder, arrays_of(source, PROTOCOL))
        begun.append(read_chunk(source, PROTOCOL, 0, 7))
        begun.close()
        (truncate, flip, lengthen, lose)[number % 4](begun.partial, random.Random(number))
        pack = build(source, PROTOCOL, folder.parent)
        assert all(np.array_equal(array, whole.arrays[name]) for name, array in pack.arrays.items())
        assert pack.manifest == whole.manifest
        shutil.rmtree(folder.parent)


def test_only_what_changed_since_is_read_again(source: Folder, tmp_path: Path, monkeypatch):
    folder = build(source, PROTOCOL, tmp_path / "packs").folder
    Pack.open(folder)  # its files may be as old as pack.json to the tick of the clock
    verified: list[Path] = []
    monkeypatch.setattr(Pack, "verify", lambda pack: verified.append(pack.folder))
    Pack.open(folder)
    assert verified == []
    (folder / "labels.npy").write_bytes((folder / "labels.npy").read_bytes())
    Pack.open(folder)
    assert verified == [folder]


def test_facts_without_a_checksum_are_those_of_earlier_versions():
    facts = {"b": [1, (2,)], "a": {"é\udcff": None}}
    assert unsealed(sealed(facts)) == {"b": [1, [2]], "a": {"é\udcff": None}}
    assert unsealed(json.dumps(facts)) == {"b": [1, [2]], "a": {"é\udcff": None}}
    with pytest.raises(ValueError, match="it was changed"):
        unsealed(sealed(facts).replace("2", "3"))
    assert json.loads(sealed({"a": 1}))["checksum"] == zlib.crc32(b'{"a": 1}')


@pytest.mark.parametrize("images", [np.zeros((4, 8, 8, 1)), np.zeros((4, 8), np.uint8)])
def test_arrays_that_hold_no_pictures_are_no_pack(tmp_path: Path, images: np.ndarray) -> None:
    np.save(tmp_path / "images.npy", images)
    arrays = {"images": {"shape": [*images.shape], "dtype": str(images.dtype), "crc32": checksum(images)}}
    facts = {key: kind() for key, kind in FACTS.items() if isinstance(kind, type)}
    (tmp_path / "pack.json").write_text(sealed(facts | {"classes": None, "count": 4, "arrays": arrays}))
    with pytest.raises(UserError, match=r"images\.npy holds no pictures"):
        Pack.open(tmp_path)
