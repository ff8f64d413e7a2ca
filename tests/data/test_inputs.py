import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.data.inputs import HOLES, KINDS, draw_masks, entries_of, make_inputs, require_known
from ganlab.errors import UserError


@pytest.fixture
def images(rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, 256, (5, 16, 16, 3), np.uint8))


def test_the_centre_hole_is_half_as_wide_and_high():
    (mask,) = draw_masks("centre_hole", np.random.default_rng(0), 1, 128)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (32, 95, 32, 95) and mask.sum() == 64 * 64


@pytest.mark.parametrize("size", [4, 32, 128])
def test_random_regions_cover_a_quarter_or_so_and_are_one_a_batch(size):
    for seed in range(10):
        masks = draw_masks("random_region", np.random.default_rng(seed), 3, size)
        assert masks.shape == (3, size, size) and 0.2 <= masks[0].mean() <= 0.3
        assert np.array_equal(masks[0], masks[2])


def test_random_regions_come_in_patches_as_large_as_the_noise():
    mask = draw_masks("random_region", np.random.default_rng(0), 1, 128)[0]
    changes = (mask[:, 1:] != mask[:, :-1]).sum(1).mean()
    assert 1 < changes < 8  # along a line of 7.7 cells of noise; independent pixels would change 48 times


def test_occlusions_differ_from_picture_to_picture():
    masks = draw_masks("occlusion", np.random.default_rng(0), 200, 32)
    shares = masks.mean((1, 2))
    assert shares.min() >= 4 * 4 / 32**2 and shares.max() <= 3 * 12 * 12 / 32**2
    assert len(np.unique(masks.reshape(200, -1), axis=0)) == 200
    assert masks.any(0).all()  # no place is always spared


@pytest.mark.parametrize("kind", HOLES)
def test_holes_have_the_mean_colour_and_the_rest_is_untouched(kind, images):
    masks = torch.from_numpy(np.array(draw_masks(kind, np.random.default_rng(1), 5, 16)))
    made = make_inputs(kind, images, masks)
    assert tuple(made) == entries_of(kind) == ("inputs", "targets", "masks")
    assert made["targets"] is images and made["masks"].dtype == torch.bool
    assert (made["inputs"][masks] == torch.tensor([117, 104, 123])).all()
    assert torch.equal(made["inputs"][~masks], images[~masks])
    grey = make_inputs(kind, images[..., :1], masks)["inputs"]
    assert grey.shape == (5, 16, 16, 1) and (grey[masks] == 110).all()


def test_grey_is_that_of_pillow(images):
    made = make_inputs("grey", images, None)
    assert tuple(made) == entries_of("grey") == ("inputs", "targets") and made["inputs"].shape == images.shape
    for image, grey in zip(images, made["inputs"], strict=True):
        expected = np.asarray(Image.fromarray(image.numpy()).convert("L"))
        assert all(np.array_equal(grey[..., channel], expected) for channel in range(3))


def test_edges_are_dark_lines_where_brightness_changes():
    images = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    images[:, :, 4:] = 50
    drawing = make_inputs("edges", images, None)["inputs"]
    assert drawing.dtype == torch.uint8 and drawing[0, :, :, 0].unique(dim=0).shape[0] == 1
    assert drawing[0, 0, :, 1].tolist() == [255, 255, 255, 155, 155, 255, 255, 255]  # 4 x 50 / 2
    images[:, :, 4:] = 255
    assert make_inputs("edges", images, None)["inputs"].min() == 0
    turned = make_inputs("edges", images.transpose(1, 2), None)["inputs"]
    assert torch.equal(turned.transpose(1, 2), make_inputs("edges", images, None)["inputs"])


def test_unknown_inputs_are_refused():
    for kind in KINDS:
        require_known(kind)
    with pytest.raises(UserError, match="data.inputs=blur is not known: take one of none, centre_hole"):
        require_known("blur")
