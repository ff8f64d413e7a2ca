from pathlib import Path

import numpy as np
import pytest
import torch

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.probes.segmenter import Segmenter, boxes_from_masks, intersection_over_union, mask_values, train_segmenter


def squares(count: int = 64, side: int = 16) -> Pack:
    """Grey pictures with one bright square each, kind 2 of three, in the left half; kind 1 is the lower half."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, side, side), np.uint8)
    masks[:, side // 2 :] = 1
    for mask in masks:
        x, y = rng.integers(0, side - 6, 2)
        mask[y : y + 5, x : x + 5] = 2
    images = np.array([60, 110, 220], np.uint8)[masks][..., None].repeat(3, 3)
    return Pack(
        Path("squares"),
        {"count": count, "mask_kinds": ["wall", "floor", "window_1"]},
        {"images": images, "masks": masks},
    )


def test_a_segmenter_learns_what_is_where() -> None:
    pack = squares()
    network = train_segmenter(pack, 1600, batch_size=16, lr=0.02, width=4)
    found = network.masks(torch.from_numpy(pack.images).permute(0, 3, 1, 2), batch_size=50)
    assert found.shape == (64, 16, 16) and intersection_over_union(found, pack.arrays["masks"], [2]) > 0.8
    boxes = boxes_from_masks(found, [2])
    assert len(boxes) > 55 and all(rows.shape[1] == 4 for rows in boxes.values())


@pytest.mark.parametrize("side", [12, 15, 48])
def test_any_side(side: int) -> None:
    assert Segmenter(1, 5, 2)(torch.zeros(2, 1, side, side, dtype=torch.uint8)).shape == (2, 5, side, side)


def test_names_and_small_parts() -> None:
    pack = squares()
    assert mask_values(pack, "window") == mask_values(pack, "window_1") == [2]
    with pytest.raises(UserError, match="has no lamp: choose one of wall, floor, window_1"):
        mask_values(pack, "lamp")
    masks = np.zeros((2, 20, 20), np.uint8)
    masks[1, 3, 4] = 2
    assert boxes_from_masks(masks, [2], least=0.01) == {} and list(boxes_from_masks(masks, [2], least=0.0)) == [1]


def test_a_pack_without_masks() -> None:
    pack = squares()
    with pytest.raises(UserError, match="no masks to learn from"):
        train_segmenter(Pack(pack.folder, pack.manifest, {"images": pack.images}), 10)


def test_intersection_over_union_of_nothing() -> None:
    assert np.isnan(intersection_over_union(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), [3]))
