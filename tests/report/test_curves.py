import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ganlab.report.curves import COLUMNS, DPI, PANEL, Curve, draw_curves, save_curves


def test_lines_bars_and_labels() -> None:
    one, two = Curve("a", [(2000, 5, 0), (0, 1, 0)]), Curve("$b$", [(1000, 3, 0.5)])
    axes, alone = draw_curves({"fid": [one, two], "swd": [two]}, "images seen").axes
    assert [axis.get_title(loc="left") for axis in (axes, alone)] == ["fid", "swd"]
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[0, 1], [2000, 5]], [[1000, 3]]]
    (bar,) = axes.collections
    assert bar.get_segments()[0].tolist() == [[1000, 2.5], [1000, 3.5]]
    assert axes.get_xlabel() == "images seen"
    assert axes.xaxis.get_major_formatter()(12_000) == "12k"
    assert axes.lines[1].get_color() == alone.lines[0].get_color() != axes.lines[0].get_color()
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "$b$"]


def test_a_picture_of_several_panels_runs_and_holes(tmp_path: Path) -> None:
    curves = [Curve("a", [(1, 5, 2)]), Curve("b", [])]
    save_curves({name: curves for name in "abcd"}, "images seen", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width == round(COLUMNS * PANEL[0] * DPI) and picture.height > 2 * PANEL[1] * DPI
        assert np.asarray(picture.convert("L")).std() > 5
    save_curves({}, "images seen", tmp_path / "empty.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "empty.png"]


def test_matplotlib_is_imported_only_to_draw_and_without_global_state() -> None:
    program = (
        "import sys; from ganlab.report.curves import draw_curves; assert 'matplotlib' not in sys.modules\n"
        "draw_curves({}, ''); assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    path = [str(Path(__file__).parents[2] / "src")]
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(path)}, check=True)
