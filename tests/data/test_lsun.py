import io
import pickle
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from ganlab.data.lsun import LSUN, STRIDE
from ganlab.data.pack import build
from ganlab.data.pictures import PictureProtocol, UnreadableImageError, decode
from ganlab.errors import UserError


def write_scenes(root: Path, name: str, count: int, kind: str = "WEBP") -> list[str]:
    """An LMDB folder as LSUN's: picture i is of grey i, under a key that looks like a hash."""
    keys = [f"{(number * 2654435761) % 2**32:040x}" for number in range(count)]
    with lmdb.open(str(root / f"{name}_lmdb"), map_size=2**26) as environment, environment.begin(write=True) as writer:
        for number, key in enumerate(keys):
            file = io.BytesIO()
            Image.new("RGB", (12, 9), (number % 256,) * 3).save(file, kind, quality=100)
            writer.put(key.encode(), file.getvalue())
    return keys


def grey(source: LSUN, index: int) -> int:
    return round(float(np.asarray(decode(source.read(index)["images"])).mean()))


def test_records_come_in_the_order_of_keys_with_the_class_as_label(tmp_path: Path):
    count = 2 * STRIDE + 5
    keys = write_scenes(tmp_path, "bedroom_train", count)
    write_scenes(tmp_path, "tower_train", 3, "JPEG")
    source = pickle.loads(pickle.dumps(LSUN(str(tmp_path), ["bedroom", "tower"])))
    assert len(source) == count + 3 and source.name == "lsun-bedroom-tower-train"
    ordered = [number % 256 for number in sorted(range(count), key=keys.__getitem__)]
    for index in (0, 1, STRIDE - 1, STRIDE, STRIDE + 1, count - 1):
        assert abs(grey(source, index) - ordered[index]) <= 1 and source.read(index)["labels"] == 0
    assert [source.read(index)["labels"] for index in range(count, count + 3)] == [1, 1, 1]


def test_pack_of_scenes(tmp_path: Path):
    write_scenes(tmp_path, "bedroom_val", 20)
    before = sorted(path.name for path in (tmp_path / "bedroom_val_lmdb").iterdir())
    pack = build(LSUN(str(tmp_path), ["bedroom"], "val"), PictureProtocol(64, 3), tmp_path / "packs")
    assert pack.images.shape == (20, 64, 64, 3) and pack.manifest["classes"] == ["bedroom"]
    assert sorted(path.name for path in (tmp_path / "bedroom_val_lmdb").iterdir()) == before


def test_a_broken_record_names_its_key(tmp_path: Path):
    with lmdb.open(str(tmp_path / "tower_val_lmdb")) as environment, environment.begin(write=True) as writer:
        writer.put(b"abc", b"no picture")
    with pytest.raises(UnreadableImageError, match="tower_val_lmdb/abc"):
        decode(LSUN(str(tmp_path), ["tower"], "val").read(0)["images"])


def test_missing_data_say_what_to_fetch(tmp_path: Path):
    with pytest.raises(
        UserError, match=r"bedroom_train_lmdb/data.mdb is missing: fetch .*download.py -c bedroom.*data.root"
    ):
        LSUN(str(tmp_path), ["bedroom"])


def test_cut_off_and_foreign_files_are_refused_before_they_kill_the_process(tmp_path: Path):
    write_scenes(tmp_path, "bedroom_train", 200)
    file = tmp_path / "bedroom_train_lmdb" / "data.mdb"
    with file.open("r+b") as data:
        data.truncate(file.stat().st_size // 2)
    with pytest.raises(UserError, match="is cut off .*: remove it and fetch it with"):
        LSUN(str(tmp_path), ["bedroom"])
    (tmp_path / "tower_train_lmdb").mkdir()
    (tmp_path / "tower_train_lmdb" / "data.mdb").write_bytes(b"<html>404</html>" * 1000)
    with pytest.raises(UserError, match="is no LMDB file or damaged"):
        LSUN(str(tmp_path), ["tower"])


@pytest.mark.parametrize("values", [("bedroom", "train"), ([], "train"), (["bedroom"], "test")])
def test_impossible_values_are_refused(tmp_path: Path, values):
    with pytest.raises(UserError, match="data.(classes|split)="):
        LSUN(str(tmp_path), *values)
