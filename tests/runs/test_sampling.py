from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def test_a_grid_and_single_files_show_the_same_samples(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={smoke}/checkpoints/last.ckpt"
    outcome = command("sample", checkpoint, "count=9", "seed=3", f"output={tmp_path}/grid.png")
    assert outcome.code == 0 and "grid.png" in outcome.out
    grid = np.asarray(Image.open(tmp_path / "grid.png").convert("L"))
    assert grid.shape == (3 * 34 + 2, 3 * 34 + 2)
    assert command("sample", checkpoint, "count=9", "seed=3", "grid=false", f"output={tmp_path}/each").code == 0
    names = sorted(path.name for path in (tmp_path / "each").iterdir())
    assert names == [f"{index:06d}.png" for index in range(9)]
    for index, name in enumerate(names):
        row, column = divmod(index, 3)
        cell = grid[2 + 34 * row : 34 + 34 * row, 2 + 34 * column : 34 + 34 * column]
        np.testing.assert_array_equal(cell, np.asarray(Image.open(tmp_path / "each" / name)))


def test_other_seeds_give_other_samples_and_equal_ones_equal(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={smoke}/checkpoints/last.ckpt"
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert command("sample", checkpoint, f"seed={seed}", f"output={tmp_path}/{name}.png").code == 0
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_mistakes_are_told(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={smoke}/checkpoints/last.ckpt"
    assert "must end in .png" in command("sample", checkpoint, f"output={tmp_path}/grid.jpg").err
    (tmp_path / "file").write_text("")
    assert "is a file" in command("sample", checkpoint, "grid=false", f"output={tmp_path}/file").err
    assert "count=0 must be" in command("sample", checkpoint, "count=0").err
