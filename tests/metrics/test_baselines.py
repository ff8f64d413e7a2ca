import numpy as np
import pytest
import torch

from ganlab.metrics.baselines import (
    completions,
    histogram_matched,
    mean_colours,
    neighbours,
    pixel_errors,
    ridge,
    translations,
)


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def centre(count: int, side: int = 8) -> torch.Tensor:
    masks = torch.zeros(count, 1, side, side, dtype=torch.uint8)
    masks[:, :, side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    return masks


def test_errors_are_those_of_the_metrics_in_the_hole_alone():
    targets, masks = noise(0, 2, 3, 8, 8), centre(2)
    images = torch.where(masks > 0, targets.float() // 2, 9.0)
    errors = pixel_errors(images, targets, masks)
    wrong = ((targets - images)[:, :, 2:6, 2:6] / 255).double()
    assert errors["l1"] == pytest.approx(wrong.abs().mean().item())
    assert errors["psnr"] == pytest.approx((-10 * wrong.square().mean(dim=(1, 2, 3)).log10()).mean().item())
    assert pixel_errors(targets, targets) == {"l1": 0, "l2": 0, "psnr": float("inf")}


def test_neighbours_look_at_what_each_mask_leaves():
    train, masks = noise(1, 5000, 1, 4, 4), torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    masks[1, :, :2], masks[2, :, :, 1:] = 1, 1
    inputs = train[[4321, 17, 800]].clone()
    inputs[masks > 0] = 110
    found = neighbours(train, inputs, masks, 2)
    assert found[:, 0].tolist() == [4321, 17, 800] and found.shape == (3, 2)
    distances = (((train[:, None] - inputs[None].float()) / 255) * (masks == 0)).square().flatten(2).sum(dim=2)
    assert torch.equal(distances.topk(2, dim=0, largest=False).indices.T, found)


def test_completions_fill_holes_and_leave_the_rest():
    train, masks = noise(2, 40, 3, 8, 8), centre(3)
    truth = train[[5, 6, 7]]
    inputs = torch.where(masks > 0, torch.tensor(110, dtype=torch.uint8), truth)
    made = completions(train, inputs, masks)
    assert list(made) == ["mean_colour", "mean_hole", "nearest", "mean_of_20_nearest", "ridge"]
    for values in made.values():
        assert torch.equal(values[(masks == 0).expand_as(truth)], truth[(masks == 0).expand_as(truth)].float())
    assert torch.equal(made["nearest"], truth.float()) and (made["mean_colour"][:, :, 4, 4] == 110).all()
    assert torch.allclose(made["mean_hole"][0, :, 3, 3], train[:, :, 3, 3].float().mean(dim=0))
    several = torch.cat([masks[:2], masks[:1].roll(1, dims=3)])
    assert "ridge" not in completions(train, inputs, several)


def test_ridge_regression_finds_what_depends_linearly_on_the_rim():
    train = noise(3, 600, 1, 8, 8)
    train[:, :, 3:5, 3:5] = ((train[:, :, 2, 2].float() + train[:, :, 5, 5]) / 2).byte()[..., None, None]
    hole = torch.zeros(8, 8, dtype=torch.bool)
    hole[3:5, 3:5] = True
    asked = train[:20].clone()
    asked[:, :, hole] = 0
    assert (ridge(train, asked, hole) - train[:20].float()).abs().max() < 6


def test_colours_of_a_label_map_are_replaced_by_their_mean():
    inputs = (noise(4, 600, 3, 4, 4) // 128) * 255
    targets = torch.stack([inputs[:, 0] // 2, 255 - inputs[:, 1]], dim=1)
    assert torch.equal(mean_colours(inputs, targets, inputs[:9]), targets[:9].float())
    unseen = torch.full((1, 3, 4, 4), 120, dtype=torch.uint8)
    assert torch.allclose(mean_colours(inputs, targets, unseen)[0, :, 0, 0], targets.float().mean(dim=(0, 2, 3)))


def test_a_change_of_all_levels_is_undone_by_their_histograms():
    source, other = noise(5, 50, 2, 8, 8), noise(6, 50, 2, 8, 8)
    matched = histogram_matched(source, source, 255 - other // 2)
    assert pixel_errors(matched, 255 - source // 2)["l1"] > 0.2  # it cannot know that the order is reversed
    assert pixel_errors(histogram_matched(source, source, 40 + other // 2), 40 + source // 2)["l1"] < 0.02


def test_translations_know_pairs():
    inputs, targets = noise(7, 30, 3, 4, 4), noise(8, 30, 3, 4, 4)
    made = translations(inputs, targets, inputs[:4], targets)
    assert torch.equal(made["nearest"], targets[:4].float()) and torch.equal(made["identity"], inputs[:4].float())
    assert torch.allclose(made["mean_of_both"], (made["mean_target"] + made["mean_colour"]) / 2)
    grey = translations(inputs[:, :1], targets, inputs[:4, :1], targets)
    assert "identity" not in grey and grey["mean_colour"].shape == (4, 3, 4, 4)
