import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.data.deduplication import deduplicate as deduplication
from ganlab.data.deduplication.deduplicate import deduplicate, deduplicated_folder
from ganlab.data.deduplication.hashing import AutoEncoder, Hashing
from ganlab.data.packs import writer
from ganlab.data.packs.pack import Pack
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.source import Record, Source
from ganlab.data.spec import PackSpec
from ganlab.errors import UserError

BRIEF = Hashing("gaussian", 1.0, 0.2, images=600, learning_rate=1e-3, batch_size=100, seed=0)
COPIES = {7: 3, 30: 3, 41: 40, 99: 64}  # record: an earlier one that it copies


class Patches(Source):
    """A hundred pictures of coloured patches, four of them copies, labelled by number, with two more numbers each."""

    name = "patches"
    in_memory = True
    extras = {"labels": ("int64", ()), "boxes": ("float32", (2,))}

    def __init__(self, side: int = 40, channels: int = 3) -> None:
        coarse = np.random.default_rng(1).integers(0, 256, (100, 5, 5, channels), np.uint8)
        for copy, first in COPIES.items():
            coarse[copy] = coarse[first]
        self.pictures_ = coarse.repeat(side // 5, 1).repeat(side // 5, 2)

    def __len__(self) -> int:
        return len(self.pictures_)

    def fingerprint(self) -> dict[str, int]:
        return {"bytes": self.pictures_.nbytes}

    def read(self, index: int) -> Record:
        return {"images": self.pictures_[index], "labels": index, "boxes": [index, index / 2]}


def packed(packs: Path, channels: int = 3) -> Pack:
    return PackSpec(Patches(channels=channels), PictureProtocol(40, channels), packs, 0.0, 0).make()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_copies_are_dropped_and_all_else_is_kept_with_all_arrays(tmp_path: Path, caplog):
    whole = packed(tmp_path)
    pack = deduplicate(whole, BRIEF, max_dropped=0.1)
    kept = [number for number in range(100) if number not in COPIES]
    assert pack.labels is not None and pack.labels.tolist() == kept
    assert np.array_equal(pack.images, whole.images[kept]) and isinstance(pack.images, np.memmap)
    assert np.array_equal(pack.arrays["boxes"], whole.arrays["boxes"][kept])
    assert pack.folder.name == f"patches-40x3-deduplicated-{pack.manifest['key']}"
    pack.verify()
    assert {**whole.manifest, "key": "", "count": 96} | {"arrays": 0} == {
        name: fact for name, fact in {**pack.manifest, "key": "", "arrays": 0}.items() if name != "deduplication"
    }
    message = f"4 of 100 pictures are near duplicates and dropped: look at {pack.folder / 'duplicates.png'}"
    assert caplog.messages == [message]


def test_the_report_names_groups_and_the_sheet_shows_them(tmp_path: Path):
    pack = deduplicate(packed(tmp_path), BRIEF, max_dropped=0.1)
    assert sorted(contents(pack.folder)) == [
        "boxes.npy", "duplicates.json", "duplicates.png", "images.npy", "labels.npy", "pack.json"
    ]  # fmt: skip
    report = json.loads((pack.folder / "duplicates.json").read_text())
    assert report["groups"] == [[3, 7, 30], [40, 41], [64, 99]] and report["common_codes"] == []
    assert report["summary"] == {
        "count": 100,
        "dropped": 4,
        "groups": 3,
        "group_sizes": {"2": 2, "3": 1},
        "differences": {"median": 0.0, "90%": 0.0, "99%": 0.0, "largest": 0.0},
        "idle_bits": report["summary"]["idle_bits"],
    }
    origin = {"of": packed(tmp_path).folder.name, "settings": BRIEF.record()}
    assert pack.manifest["deduplication"] == origin | report["summary"]
    with Image.open(pack.folder / "duplicates.png") as sheet:
        assert sheet.size == (2 * (5 * 66 + 24), 2 * 66 + 2)  # two lines of two groups
        drawn = np.asarray(sheet.crop((0, 2, 64, 66)).resize((5, 5), Image.Resampling.BOX)).astype(int)
    expected = Patches().pictures_[3, ::8, ::8].astype(int)
    assert abs(drawn - expected).max() < 40


def test_grey_pictures_and_no_duplicates(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setitem(globals(), "COPIES", {})
    pack = deduplicate(packed(tmp_path, channels=1), replace(BRIEF, noise="masking", noise_level=0.5), max_dropped=0.0)
    assert len(pack) == 100 and pack.manifest["deduplication"]["dropped"] == 0
    assert json.loads((pack.folder / "duplicates.json").read_text())["groups"] == []


def test_a_hash_that_tells_nothing_apart_is_refused_and_may_be_allowed(tmp_path: Path, monkeypatch):
    whole = packed(tmp_path)
    monkeypatch.setattr(deduplication, "fit", lambda *_: empty_network())
    with pytest.raises(
        UserError, match=r"99 of 100 pictures have the code .* more than data.max_dropped=0.5 allows"
    ) as told:
        deduplicate(whole, BRIEF, max_dropped=0.5)
    sheet = Path(str(told.value).split("those in ")[1].split(" are equal")[0])
    assert sheet.name == "duplicates.png" and sheet.is_file() and whole.folder.is_dir()
    monkeypatch.setattr(deduplication, "fit", None)  # the codes are there
    pack = deduplicate(whole, BRIEF, max_dropped=1)
    assert len(pack) == 1 and pack.manifest["deduplication"]["idle_bits"] == 128
    assert json.loads((pack.folder / "duplicates.json").read_text())["common_codes"] == [
        {"code": "00" * 16, "pictures": 100, "kept": 0}
    ]
    with pytest.raises(UserError, match="99 of 100 pictures"):
        deduplicate(whole, BRIEF, max_dropped=0.5)
    with pytest.raises(ValueError, match="max_dropped=2 must be a number from 0 to 1"):
        deduplicate(whole, BRIEF, max_dropped=2)


def empty_network() -> AutoEncoder:
    network = AutoEncoder(torch.Generator())
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    return network


@pytest.mark.parametrize("place", ["hashing", "copying"])
def test_a_build_that_breaks_off_continues_to_the_same_bytes(tmp_path: Path, monkeypatch, place: str):
    whole = packed(tmp_path)
    straight = contents(deduplicate(whole, BRIEF, max_dropped=0.1).folder)
    shutil.rmtree(deduplicated_folder(whole.folder, BRIEF))
    monkeypatch.setattr(deduplication, "BLOCK", 8)
    monkeypatch.setattr(writer, "COMMIT_SECONDS", 0)
    done, bar = [], deduplication.bar

    def broken_bar(text: str, total: int, step: int, steps: Sequence[int]) -> Iterator[int]:
        for each in bar(text, total, step, steps):
            if text == place and len(done) == 6:
                raise KeyboardInterrupt
            done.extend([each] if text == place else [])
            yield each

    monkeypatch.setattr(deduplication, "bar", broken_bar)
    with pytest.raises(KeyboardInterrupt):
        deduplicate(whole, BRIEF, max_dropped=0.1)
    done.append(-1)
    monkeypatch.setattr(deduplication, "fit", None)  # what was learned is not learned again
    assert contents(deduplicate(whole, BRIEF, max_dropped=0.1).folder) == straight
    assert done == [0, 8, 16, 24, 32, 40, -1, 48, 56, 64, 72, 80, 88, 96]


def test_a_killed_build_continues_to_the_same_bytes(tmp_path: Path, monkeypatch):
    whole = packed(tmp_path)
    straight = contents(deduplicate(whole, BRIEF, max_dropped=0.1).folder)
    shutil.rmtree(folder := deduplicated_folder(whole.folder, BRIEF))
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    arguments = [sys.executable, str(script), str(whole.folder), json.dumps(BRIEF.record())]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    killed = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    partial = folder.with_name(f"{folder.name}.partial")
    assert not folder.exists() and (partial / "codes.bin").stat().st_size == 48 * 16
    with (partial / "codes.bin").open("ab") as file:
        file.write(b"half a block")
    monkeypatch.setattr(deduplication, "fit", None)
    monkeypatch.setattr(deduplication, "BLOCK", 8)
    assert contents(deduplicate(whole, BRIEF, max_dropped=0.1).folder) == straight


# De-duplicates the pack of a folder, and kills itself after six of thirteen blocks.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from ganlab.data.deduplication import deduplicate as deduplication
from ganlab.data.packs import writer
from ganlab.data.deduplication.hashing import AutoEncoder, Hashing
from ganlab.data.packs.pack import Pack

def bar(text, total, step, steps):
    for number, each in enumerate(steps):
        if text == "hashing" and number == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        yield each

deduplication.bar, deduplication.BLOCK, writer.COMMIT_SECONDS = bar, 8, 0
deduplication.deduplicate(Pack.open(Path(sys.argv[1])), Hashing(**json.loads(sys.argv[2])), max_dropped=0.1)
"""


def test_a_recipe_needs_no_whole_pack_once_duplicates_are_gone(tmp_path: Path, monkeypatch):
    spec = PackSpec(Patches(), PictureProtocol(40, 3), tmp_path, 0.0, 0, BRIEF, max_dropped=0.1)
    first = spec.make()
    shutil.rmtree(deduplicated_folder(first.folder, BRIEF), ignore_errors=True)
    shutil.rmtree(packed(tmp_path).folder)
    monkeypatch.setattr(deduplication, "write", None)
    assert spec.make().folder == first.folder and len(list(tmp_path.glob("patches-*"))) == 1
    with pytest.raises(UserError, match="4 of 100 pictures"):
        replace(spec, max_dropped=0.01).make()


def test_other_settings_and_pictures_make_other_packs(tmp_path: Path):
    changes = {"noise": "masking", "noise_level": 0.5, "dropout": 0.1, "images": 7, "learning_rate": 0.1}
    changes |= {"batch_size": 3, "seed": 1}
    assert changes.keys() == BRIEF.record().keys()
    half = replace(BRIEF, noise_level=0.4)
    others = [half, *(replace(half, **{key: value}) for key, value in changes.items())]
    folders = {deduplicated_folder(tmp_path / "cats-8x3-0123", hashing).name for hashing in others}
    folders |= {deduplicated_folder(tmp_path / "cats-8x3-4567", others[0]).name}
    assert len(folders) == len(others) + 1 == 9 and all(name.startswith("cats-8x3-deduplicated-") for name in folders)


def test_a_full_disk_says_what_to_set(tmp_path: Path, monkeypatch):
    whole = packed(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10_000}))
    with pytest.raises(UserError, match="disk is full .*set packs=FOLDER"):
        deduplicate(whole, BRIEF, max_dropped=0.1)
