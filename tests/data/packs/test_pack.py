import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs import pack as pack_module
from ganlab.data.packs.pack import Pack, build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError

SMALL = PictureProtocol(16, 3)

# A source that takes its time and writes down what it reads, so that a build can be stopped or watched.
SLOW_BUILD = """
import sys, time
from pathlib import Path
from ganlab.data.packs import record_reader as reading
from ganlab.data.packs import writer
from ganlab.data.sources.folder import Folder
from ganlab.data.packs.pack import build
from ganlab.data.packs.pictures import PictureProtocol

class Slow(Folder):
    def read(self, index):
        time.sleep(0.004)
        with open("reads.log", "a") as log:
            log.write(f"{index}\\n")
        return super().read(index)

if __name__ == "__main__":
    reading.CHUNK_RECORDS, writer.COMMIT_SECONDS, reading.FEW_RECORDS = 4, 0, int(sys.argv[2])
    pack = build(Slow(sys.argv[1]), PictureProtocol(16, 3), Path("packs"), workers=2, max_broken=0.2)
    print(pack.folder.name)
"""


def start_slow_build(photos: Path, folder: Path, few_records: int = 2000) -> subprocess.Popen[str]:
    script = folder / "slow_build.py"
    script.write_text(SLOW_BUILD)
    command = [sys.executable, str(script), str(photos), str(few_records)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pack_holds_every_picture_prepared_with_its_label(photos: Path, tmp_path: Path):
    source = Folder(str(photos))
    pack = build(source, SMALL, tmp_path / "packs")
    assert isinstance(pack.images, np.memmap) and pack.images.shape == (30, 16, 16, 3) and pack.images.dtype == np.uint8
    for index in (0, 7, 29):
        assert np.array_equal(pack.images[index], SMALL.prepare(source.read(index)["images"]))
    assert pack.labels is not None and pack.labels.dtype == np.int64 and pack.labels.tolist() == [0] * 15 + [1] * 15
    assert len(pack) == pack.manifest["count"] == 30 and pack.manifest["classes"] == ["cat", "dog"]
    assert pack.folder.name == f"folder-photos-16x3-{pack.manifest['key']}"
    assert sorted(contents(pack.folder)) == ["images.npy", "labels.npy", "names.json", "pack.json"]
    assert pack.names() == source.files
    assert np.array_equal(np.load(pack.folder / "images.npy"), pack.images)


def test_checksums_are_those_of_the_data(photos: Path, tmp_path: Path):
    pack = build(Folder(str(photos)), SMALL, tmp_path)
    assert pack.manifest["arrays"]["images"] == {
        "shape": [30, 16, 16, 3],
        "dtype": "uint8",
        "crc32": crc32(np.array(pack.images).tobytes()),
    }


@pytest.mark.parametrize("name", ["images", "labels"])
def test_verify_finds_a_single_wrong_bit(photos: Path, tmp_path: Path, name, monkeypatch):
    monkeypatch.setattr(pack_module, "READ_BYTES", 2000)
    pack = build(Folder(str(photos)), SMALL, tmp_path)
    pack.verify()
    file = pack.folder / f"{name}.npy"
    data = bytearray(file.read_bytes())
    data[-8] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match=rf"{pack.folder} is damaged \({name}.npy has another checksum\): delete"):
        Pack.open(pack.folder).verify()


def test_an_existing_pack_is_opened_and_a_stale_or_other_one_made_anew(photos: Path, tmp_path: Path, monkeypatch):
    first = build(Folder(str(photos)), SMALL, tmp_path)
    os.utime(photos / "cat" / "00.png", (1, 1))
    stale = build(Folder(str(photos)), SMALL, tmp_path)
    protocols = PictureProtocol(16, 1), PictureProtocol(16, 3, "box")
    others = [build(Folder(str(photos)), protocol, tmp_path) for protocol in protocols]
    assert len({pack.folder for pack in (first, stale, *others)}) == 4
    monkeypatch.setattr(pack_module, "write", None)  # nothing is written again
    assert build(Folder(str(photos)), SMALL, tmp_path).folder == stale.folder


@pytest.mark.parametrize("damage", ["cut", "gone", "json"])
def test_a_damaged_pack_is_made_anew(photos: Path, tmp_path: Path, damage):
    pack = build(Folder(str(photos)), SMALL, tmp_path)
    whole = contents(pack.folder)
    if damage == "cut":
        os.truncate(pack.folder / "images.npy", 1000)
    elif damage == "gone":
        (pack.folder / "labels.npy").unlink()
    else:
        (pack.folder / "pack.json").write_text('{"arrays": {')
    with pytest.raises(UserError, match="is incomplete .*: delete it"):
        Pack.open(pack.folder)
    assert contents(build(Folder(str(photos)), SMALL, tmp_path).folder) == whole


def test_processes_give_the_same_bytes_as_none(tmp_path: Path, rng):
    root = tmp_path / "many"
    root.mkdir()
    for number in range(2100):
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(root / f"{number:04d}.bmp")
    (root / "1234.bmp").write_bytes(b"broken")
    parallel = build(Folder(str(root)), PictureProtocol(8, 1), tmp_path / "parallel", workers=2)
    alone = build(Folder(str(root)), PictureProtocol(8, 1), tmp_path / "alone", workers=0)
    assert contents(parallel.folder) == contents(alone.folder)
    assert len(parallel) == 2099 and parallel.labels is None
    assert parallel.manifest["skipped"] == [["1234.bmp", "not a picture of a known format"]]


@pytest.mark.parametrize("few_records", [0, 2000], ids=["in processes", "in one"])
def test_a_killed_build_continues_to_the_same_bytes(photos: Path, tmp_path: Path, few_records):
    (photos / "cat" / "02.png").write_bytes(b"broken")
    straight = build(Folder(str(photos)), SMALL, tmp_path / "straight", max_broken=0.2)
    process = start_slow_build(photos, tmp_path, few_records)
    progress = tmp_path / "packs" / f"{straight.folder.name}.partial" / "progress.json"
    deadline = time.monotonic() + 60
    while not progress.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert (
        0 < json.loads(progress.read_text())["next"] < 30 and not (tmp_path / "packs" / straight.folder.name).exists()
    )
    time.sleep(0.3)
    reads = len((tmp_path / "reads.log").read_text().splitlines())
    time.sleep(0.3)
    assert len((tmp_path / "reads.log").read_text().splitlines()) == reads  # no process outlives its parent
    again = start_slow_build(photos, tmp_path, few_records)
    name, errors = again.communicate(timeout=60)
    assert name.strip() == straight.folder.name, errors
    assert contents(tmp_path / "packs" / straight.folder.name) == contents(straight.folder)
    resumed = (tmp_path / "reads.log").read_text().splitlines()[reads:]
    assert resumed and min(map(int, resumed)) > 0  # nothing committed is read again


def test_two_processes_build_one_pack_once(photos: Path, tmp_path: Path):
    processes = [start_slow_build(photos, tmp_path) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert sorted(map(int, (tmp_path / "reads.log").read_text().split())) == list(range(30))


def test_a_damaged_beginning_is_not_continued(photos: Path, tmp_path: Path):
    pack = build(Folder(str(photos)), SMALL, tmp_path / "straight")
    partial = tmp_path / "packs" / f"{pack.folder.name}.partial"
    partial.mkdir(parents=True)
    (partial / "progress.json").write_text(
        '{"next": 20, "rows": 20, "crc32": {"images": 1, "labels": 1}, "skipped": [], "rejected": {}}'
    )
    (partial / "images.npy").write_bytes(b"short")
    assert contents(build(Folder(str(photos)), SMALL, tmp_path / "packs").folder) == contents(pack.folder)


def test_broken_pictures_are_listed_up_to_a_limit(photos: Path, tmp_path: Path, caplog):
    (photos / "cat" / "02.png").write_bytes(b"broken")
    os.truncate(photos / "dog" / "29.png", 200)
    with pytest.raises(UserError, match=r"2 of 30 pictures .*cat/02.png: not a picture.*dog/29.png: .*data.max_broken"):
        build(Folder(str(photos)), SMALL, tmp_path / "packs", max_broken=0.05)
    pack = build(Folder(str(photos)), SMALL, tmp_path / "packs", max_broken=0.1)
    assert len(pack) == 28 and [name for name, _ in pack.manifest["skipped"]] == ["cat/02.png", "dog/29.png"]
    assert [record.getMessage() for record in caplog.records] == [
        "2 unreadable pictures left out: 1 not a picture of a known format (cat/02.png); 1 "
        f"{pack.manifest['skipped'][1][1]} (dog/29.png); see {pack.folder / 'pack.json'}"
    ]
    with pytest.raises(UserError, match="at least 2 of 30"):
        build(Folder(str(photos)), SMALL, tmp_path / "packs", max_broken=0.05)


def test_pictures_that_are_all_broken_make_no_pack(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="1 of 1 pictures"):
        build(Folder(str(tmp_path)), SMALL, tmp_path / "packs", max_broken=1.0)
    assert not (tmp_path / "packs").exists()


def test_a_folder_that_is_no_pack_is_not_to_be_deleted(photos: Path):
    with pytest.raises(UserError, match="photos is not a pack: it has no pack.json") as told:
        Pack.open(photos)
    assert "delete" not in str(told.value)


def test_names_that_hold_line_breaks_make_one_line(tmp_path: Path):
    (tmp_path / "a\nb.png").write_bytes(b"broken")
    with pytest.raises(UserError) as told:
        build(Folder(str(tmp_path)), SMALL, tmp_path / "packs")
    assert "(a\\nb.png: not a picture" in str(told.value) and "\n" not in str(told.value)


def test_a_full_disk_and_an_unusable_folder_say_what_to_set(photos: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to .*set packs=FOLDER"):
        build(Folder(str(photos)), SMALL, tmp_path / "file")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10_000}))
    with pytest.raises(UserError, match="disk is full .*0.0 MB are needed.* 0.0 MB are free.*set packs=FOLDER"):
        build(Folder(str(photos)), SMALL, tmp_path / "packs")
    monkeypatch.undo()

    def fill_up(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pack_module.PackWriter, "append", fill_up)
    with pytest.raises(UserError, match="disk is full"):
        build(Folder(str(photos)), SMALL, tmp_path / "packs")
    assert not (tmp_path / "packs").exists()


@pytest.mark.parametrize("values", [{"max_broken": 2}, {"workers": -1}])
def test_impossible_values_are_refused(photos: Path, tmp_path: Path, values):
    with pytest.raises(ValueError, match="(max_broken|workers)=.* must be"):
        build(Folder(str(photos)), SMALL, tmp_path, **values)


@pytest.mark.parametrize(("bits", "said"), [(8, True), (12, True), (14, True), (16, False)])
def test_values_of_fewer_bits_than_their_files_have_are_noticed(tmp_path: Path, rng, caplog, bits, said):
    for number in range(4):
        pixels = rng.integers(0, 2**bits, (8, 8)).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / f"{number}.{('png', 'tif')[number % 2]}")
    pack = build(Folder(str(tmp_path)), PictureProtocol(8, 1), tmp_path / "packs")
    assert pack.manifest["dark"] == (4 if said else 0)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == said and (not said or told[0].startswith("4 of 4 pictures are nearly black"))


def test_black_pictures_and_a_few_dark_ones_are_no_matter(tmp_path: Path, caplog):
    for number in range(30):
        Image.new("L", (8, 8), 0 if number < 10 else 20 if number < 12 else 200).save(tmp_path / f"{number}.png")
    pack = build(Folder(str(tmp_path)), PictureProtocol(8, 1), tmp_path / "packs")
    assert pack.manifest["dark"] == 2 and not caplog.records


def test_a_damaged_pack_is_made_again_with_a_word(photos: Path, tmp_path: Path, caplog):
    folder = build(Folder(str(photos)), SMALL, tmp_path).folder
    (folder / "labels.npy").unlink()
    build(Folder(str(photos)), SMALL, tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder} is damaged or incomplete: it is made again"
    ]
