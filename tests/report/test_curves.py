from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganlab.report.curves import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Curve,
    labels,
    save_curves,
    span,
    thousands,
    ticks,
)


def test_lines_reach_from_corner_to_corner(tmp_path: Path) -> None:
    rising = Curve("a", [(0, 0, 0), (100, 10, 0)])
    save_curves({"fid": [rising]}, "images seen", tmp_path / "curves.png")
    pixels = np.asarray(Image.open(tmp_path / "curves.png")).astype(int)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    blue = pixels[..., 2] - pixels[..., 0] > 100
    rows, columns = np.nonzero(blue)
    assert abs(columns[rows.argmax()] - LEFT) <= 4 and abs(columns[rows.argmin()] - (WIDTH - RIGHT)) <= 4
    assert abs(rows.max() - (HEIGHT - BOTTOM)) <= 4 and abs(rows.min() - TOP) <= 4
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_several_panels_runs_and_holes(tmp_path: Path) -> None:
    curves = [Curve("a", [(1, 5, 2)]), Curve("b", [])]
    save_curves({name: curves for name in "abcd"}, "images seen", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (3 * WIDTH, 2 * HEIGHT + 50)


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_within(low: float, width: float) -> None:
    found = ticks(low, low + width)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-6 * width <= tick <= low + width * (1 + 1e-6) for tick in found)


def test_axes() -> None:
    assert span([]) == (0, 1)
    assert span([5.0]) == (4.5, 5.5)
    assert span([0.0]) == (-1, 1)
    assert ticks(0, 100) == [0, 25, 50, 75, 100]
    assert [thousands(value) for value in (250, 12_000, 1_500_000, 0)] == ["250", "12k", "1.5M", "0"]
    assert ticks(0, 1) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert labels([57.805, 57.81, 57.815]) == ["57.805", "57.81", "57.815"]
    assert labels([0, 0.25, 0.5]) == ["0", "0.25", "0.5"]
