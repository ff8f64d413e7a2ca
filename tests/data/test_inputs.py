import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.data.inputs import HOLES, KINDS, LEVELS, MadeInputs, draw_masks, make_inputs
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
    assert tuple(made) == MadeInputs(kind).entries == ("inputs", "targets", "masks")
    assert made["targets"] is images and made["masks"].dtype == torch.bool
    assert (made["inputs"][masks] == torch.tensor([117, 104, 123])).all()
    assert torch.equal(made["inputs"][~masks], images[~masks])
    grey = make_inputs(kind, images[..., :1], masks)["inputs"]
    assert grey.shape == (5, 16, 16, 1) and (grey[masks] == 110).all()


def test_grey_is_that_of_pillow(images):
    made = make_inputs("grey", images, None)
    assert tuple(made) == MadeInputs("grey").entries == ("inputs", "targets") and made["inputs"].shape == images.shape
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


def test_an_overlap_leaves_a_rim_of_the_hole_of_960_pixels():
    images = torch.full((2, 128, 128, 3), 7, dtype=torch.uint8)
    inputs = MadeInputs("centre_hole", overlap=4)
    masks = torch.from_numpy(np.array(inputs.draw(np.random.default_rng(0), 2, 128)))
    made = inputs.make(images, masks)
    assert torch.equal(made["masks"], masks) and masks[0].sum() == 64 * 64
    filled = (made["inputs"] != 7).any(dim=3)
    assert filled[1].nonzero().amin(0).tolist() == [36, 36] and filled[1].nonzero().amax(0).tolist() == [91, 91]
    assert torch.equal(made["rim"], masks & ~filled)
    assert made["rim"][0].sum() == 960 and (masks & ~made["rim"])[0].sum() == 3136


@pytest.mark.parametrize(("size", "inner"), [(64, 28 * 28), (32, 14 * 14), (256, 112 * 112), (8, 4 * 4)])
def test_the_overlap_scales_with_the_picture(size, inner):
    images = torch.zeros(1, size, size, 1, dtype=torch.uint8)
    inputs = MadeInputs("centre_hole", overlap=4)
    made = inputs.make(images, torch.from_numpy(np.array(inputs.draw(np.random.default_rng(0), 1, size))))
    assert (made["inputs"] == 110).sum() == inner


@pytest.mark.parametrize("kind", HOLES)
def test_without_an_overlap_nothing_changes(kind, images):
    drawn = np.array(draw_masks(kind, np.random.default_rng(1), 5, 16))
    plain = make_inputs(kind, images, torch.from_numpy(drawn))
    made = MadeInputs(kind).make(
        images, torch.from_numpy(np.array(MadeInputs(kind).draw(np.random.default_rng(1), 5, 16)))
    )
    assert list(made) == list(plain) and all(torch.equal(made[name], plain[name]) for name in plain)


def test_occlusions_of_a_level_cover_that_share():
    for level in (*LEVELS, 0.5):
        masks = draw_masks("occlusion", np.random.default_rng(0), 200, 32, level)
        shares = masks.mean((1, 2))
        assert abs(shares.mean() - level) < 0.03 * level and shares.std() < 0.1 * level
        assert len(np.unique(masks.reshape(200, -1), axis=0)) == 200 and masks.any(0).mean() > 0.95


def test_grey_inputs_of_one_channel(images):
    made = MadeInputs("grey", channels=1).make(images, None)
    assert made["inputs"].shape == (5, 16, 16, 1) and made["targets"] is images
    assert torch.equal(made["inputs"], make_inputs("grey", images, None)["inputs"][..., :1])
    assert MadeInputs("edges", channels=1).make(images, None)["inputs"].shape == (5, 16, 16, 1)
    plain = {"images": images[..., :1]}  # grey data have data.input_channels=1
    assert MadeInputs(channels=1).in_channels(plain) is plain
    assert MadeInputs("grey", channels=1).make(images[..., :1], None)["inputs"].shape == (5, 16, 16, 1)


def test_impossible_inputs_are_refused():
    for kind in KINDS:
        MadeInputs(kind)
    with pytest.raises(UserError, match="data.inputs=blur is not known: take one of none, centre_hole"):
        MadeInputs("blur")
    with pytest.raises(UserError, match="data.overlap=4 is the rim of a hole: type data.inputs=centre_hole"):
        MadeInputs("grey", overlap=4)
    with pytest.raises(UserError, match="data.level=0.2 is the share of an occlusion: type data.inputs=occlusion"):
        MadeInputs("centre_hole", level=0.2)
    with pytest.raises(ValueError, match="level=0.9 must be a number from 0.01 to 0.5"):
        MadeInputs("occlusion", level=0.9)
