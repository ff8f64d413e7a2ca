from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from ganlab.data.sources.stl10 import STL10
from ganlab.errors import UserError


@pytest.fixture
def root(tmp_path: Path, rng, monkeypatch) -> Path:
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for name, count in {"train": 3, "test": 2, "unlabeled": 4}.items():
        rng.integers(0, 256, (count, 3, 96, 96), np.uint8).tofile(folder / f"{name}_X.bin")
        np.arange(1, count + 1, dtype=np.uint8).tofile(folder / f"{name}_y.bin")
    (folder / "unlabeled_y.bin").unlink()
    for name in ("train_list", "test_list"):
        monkeypatch.setattr(datasets.STL10, name, [[file, None] for file, _ in getattr(datasets.STL10, name)])
    return tmp_path


@pytest.mark.parametrize(
    ("split", "count", "labels"),
    [("train", 3, [0, 1, 2]), ("test", 2, [0, 1]), ("unlabeled", 4, None), ("train+unlabeled", 7, None)],
)
def test_splits(root: Path, split, count, labels):
    source = STL10(str(root), split, False)
    assert len(source) == count and "+" not in source.name
    assert (source.classes is None) == (labels is None) == (source.extras == {})
    assert [source.read(index).get("labels") for index in range(count)] == (labels or [None] * count)
    first = np.fromfile(root / "stl10_binary" / f"{split.split('+')[0]}_X.bin", np.uint8).reshape(-1, 3, 96, 96)[0]
    assert np.array_equal(source.read(0)["images"], first.transpose(2, 1, 0))  # columns first in the file


def test_only_prepare_fetches_so_much(tmp_path: Path):
    with pytest.raises(UserError, match="train_X.bin is missing: type `python src/prepare.py data=stl10"):
        STL10(str(tmp_path), "train", False)
    with pytest.raises(UserError, match="data.split=val is not in stl10"):
        STL10(str(tmp_path), "val", False)
