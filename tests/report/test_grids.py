from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ganlab.report.grids import save_each, save_grid


def test_a_grid_holds_the_pixels_row_by_row(tmp_path: Path) -> None:
    images = torch.arange(5, dtype=torch.uint8).mul(50).view(5, 1, 1, 1).expand(5, 3, 4, 6).contiguous()
    save_grid(images, tmp_path / "new/grid.png")
    grid = np.asarray(Image.open(tmp_path / "new/grid.png"))
    assert grid.shape == (2 * 6 + 2, 3 * 8 + 2, 3)
    assert grid[2:6, 10:16].tolist() == np.full((4, 6, 3), 50).tolist()
    assert grid[8:12, 2:8].tolist() == np.full((4, 6, 3), 150).tolist()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["grid.png"]


def test_single_files_are_grey_where_the_images_are(tmp_path: Path) -> None:
    paths = save_each(torch.full((2, 1, 4, 4), 7, dtype=torch.uint8), tmp_path)
    assert [path.name for path in paths] == ["000000.png", "000001.png"]
    picture = Image.open(paths[1])
    assert picture.mode == "L" and np.asarray(picture).tolist() == [[7] * 4] * 4
