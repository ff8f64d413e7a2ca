import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.data.drawn.drawing import FRAME, Fade, Shape, bounds, ellipse, paint, smooth


def grey(shape: Shape, size: int = 16) -> np.ndarray:
    return paint([shape], size)[0][..., 0] / 255


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-0.3, 1.3), min_size=4, max_size=4))
def test_upright_rectangles_cover_their_area(sides):
    (x0, x1), (y0, y1) = sorted(sides[:2]), sorted(sides[2:])
    covered = grey(Shape((((x0, y0), (x1, y0), (x1, y1), (x0, y1)),), (1, 1, 1)), 32)
    inside = np.clip([x0, x1, y0, y1], 0, 1)
    # Exact along a row; four scan lines a pixel from row to row; 8-bit levels.
    assert covered.mean() == pytest.approx((inside[1] - inside[0]) * (inside[3] - inside[2]), abs=0.25 / 32 + 1 / 255)


def test_edges_are_grey_and_holes_stay_open():
    disc, hole = ellipse(0.5, 0.5, 0.4, 0.4, 64), ellipse(0.5, 0.5, 0.2, 0.2, 64)
    covered = grey(Shape((disc, hole[::-1]), (1, 1, 1)), 64)
    assert covered.mean() == pytest.approx(np.pi * (0.16 - 0.04), rel=0.01)
    assert covered[32, 32] == 0 and covered[32, 45] == 1
    assert len(np.unique(covered)) > 20
    assert np.abs(covered - covered[:, ::-1]).max() < 0.01


def test_many_shapes_are_painted_in_order_whatever_fits_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    shapes = [Shape((rng.uniform(-0.2, 1.2, (3, 2)),), tuple(rng.random(3)), kind=number) for number in range(40)]
    image, mask = paint(shapes, 24)
    monkeypatch.setattr("ganlab.data.drawn.drawing.CHUNK", 100)
    image_in_parts, mask_in_parts = paint(shapes, 24)
    assert np.array_equal(image, image_in_parts) and np.array_equal(mask, mask_in_parts)
    last = int(mask.max())
    x0, y0, x1, y1 = bounds(mask, last)
    rows, columns = np.nonzero(mask == last)
    assert (x0, y0, x1, y1) == (columns.min() / 24, rows.min() / 24, (columns.max() + 1) / 24, (rows.max() + 1) / 24)
    assert bounds(mask, 99) == (0, 0, 0, 0)


def test_fades_and_gains():
    falling = grey(Shape((FRAME,), (1, 1, 1), fade=Fade((0, 0), (0, 1))))
    assert falling[0, 0] > 0.99 and falling[-1, 0] < 0.01 and (np.diff(falling[:, 3]) <= 0).all()
    round_light = grey(Shape((FRAME,), (1, 1, 1), fade=Fade((0.5, 0.5), (0.5, 0.25), radial=True)))
    assert round_light[8, 8] > 0.94 and round_light[1, 8] == 0 < round_light[8, 1]
    paper = Shape((FRAME,), (0.4, 0.4, 0.4))
    lit, _ = paint([paper, Shape((FRAME,), (2.0, 1.0, 0.5), gain=True)], 8)
    assert lit[4, 4].tolist() == [204, 102, 51]


def test_shapes_out_of_the_frame_leave_no_trace():
    away = [((x, y), (x + 0.5, y), (x + 0.5, y + 0.5)) for x, y in ((-1, 0.2), (1.2, 0.2), (0.2, -1), (0.2, 1.2))]
    image, mask = paint([Shape((contour,), (1, 1, 1), kind=1) for contour in away], 16)
    assert image.max() == 0 and mask.max() == 0


def test_smooth_curves_go_through_their_corners():
    corners = [(0.1, 0.2), (0.8, 0.1), (0.9, 0.7), (0.3, 0.8)]
    curve = smooth(corners, 5)
    assert curve.shape == (20, 2) and np.allclose(curve[::5], corners)
