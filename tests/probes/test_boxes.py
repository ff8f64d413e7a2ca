import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.errors import UserError
from ganlab.probes.boxes import boxes_in, cells_inside, read_boxes, share_inside


def test_boxes_around_connected_parts() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:4, 4:8] = mask[7, 15] = True
    np.testing.assert_allclose(boxes_in(mask), np.array([[4, 2, 8, 4], [15, 7, 16, 8]]) / [[20, 10, 20, 10]], rtol=1e-6)
    assert len(boxes_in(mask, least=2)) == 1 and boxes_in(np.zeros((4, 4))).shape == (0, 4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=4, max_size=4))
def test_a_box_of_whole_pixels_holds_those(ends: list[int]) -> None:
    (x0, x1), (y0, y1) = sorted(ends[:2]), sorted(ends[2:])
    inside = cells_inside(np.array([[x0, y0, x1, y1]]) / 8, 8, 8)
    assert inside.sum() == (x1 - x0) * (y1 - y0) and inside[y0:y1, x0:x1].all()


def test_share_inside() -> None:
    responses = torch.tensor([[[[1.0, -3.0], [0.0, 0.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    inside = torch.tensor([[[False, True], [True, True]]] * 2)
    share = share_inside(responses, inside)
    assert share[0] == 0.75 and share[1].isnan()


def test_boxes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"boxes": {"3": [[0, 0.5, 0.25, 1]], "4": []}}))
    boxes = read_boxes(path)
    assert list(boxes) == [3] and boxes[3].tolist() == [[0, 0.5, 0.25, 1]]
    for content in (
        "{",
        "[]",
        '{"boxes": {"a": []}}',
        '{"boxes": {"1": [[1, 2, 3]]}}',
        '{"boxes": {"1": [[0, 0, 2, 1]]}}',
    ):
        path.write_text(content)
        with pytest.raises(UserError, match="it must hold"):
            read_boxes(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_boxes(tmp_path / "none.json")
