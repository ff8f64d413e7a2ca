"""Figures 5 to 8 on drawn sets: layouts and scores with random weights; what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlab.classifiers.training import Training
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.latent.directions import turn_vector
from ganlab.latent.exemplars import LatentGrid
from ganlab.latent.scoring import random_direction, score_direction
from ganlab.networks import dcgan
from ganlab.paper.figures.feature_patches import FeatureResponses
from ganlab.paper.figures.filter_dropping import FilterDropping
from ganlab.paper.figures.turn_vector import SCORED, TurnVector
from ganlab.paper.figures.vector_arithmetic import VectorArithmetic, attributes

Packs = dict[str | None, Pack]
CELL = 32 + 2  # pixels of a sample and the line next to it
READER = {"images": 3_000, "batch_size": 32, "learning_rate": 3e-3, "width": 4, "seed": 0}
LIGHT = {
    "first": ["smile:1"],
    "second": ["smile:0"],
    "third": ["smile:0"],
    "result": ["smile:1"],
}


def exemplars(folder: Path, *names: str) -> Path:
    LatentGrid(torch.randn(6, 6), None, 3).save(folder / "grid.npz")
    places = {name: [[1, n + 1], [2, n + 1]] for n, name in enumerate(names)}
    (folder / "chosen.json").write_text(json.dumps({"latents": "grid.npz", "exemplars": places}))
    return folder / "chosen.json"


def test_trained_patches_are_shown_next_to_random_ones(plain: Callable, figure_inputs: Callable, scenes: Packs) -> None:
    result = FeatureResponses(3, 2, 100, 5, "leaky").make(figure_inputs({"checkpoint": plain()}, scenes))
    side = 29 + 2  # the receptive field of three 5x5 convolutions of stride 2
    assert result.pictures[""].shape == (3, 6 * side + 2, 2 * (2 * side + 2) + 8)
    assert result.scores["lift"] > 0 and result.scores["lift_random"] > 0
    assert result.scores["lift"] != result.scores["lift_random"]
    with pytest.raises(UserError, match="figure.patches=101 .* 100 are searched: type figure.patches=100"):
        FeatureResponses(3, 101, 100, 5, "leaky").make(figure_inputs({"checkpoint": plain()}, scenes))


def test_the_last_features_are_not_the_logit(plain: Callable, figure_inputs: Callable, scenes: Packs) -> None:
    torch.manual_seed(0)
    discriminator = dcgan.Discriminator(32, 3, width=4, head="convolution", deviation=0.2)
    model = plain()
    model.system.networks["discriminator"] = discriminator
    result = FeatureResponses(20, 1, 40, 20, "leaky").make(figure_inputs({"checkpoint": model}, scenes))
    assert result.remarks[-1] == "scores over 16 features of the last convolution"


def test_windows_are_found_dropped_and_counted(
    plain: Callable, figure_inputs: Callable, scenes: Packs, tmp_path: Path
) -> None:
    boxes = {str(n): [[0.0, 0.0, 0.6, 0.6]] for n in range(8)}
    (tmp_path / "boxes.json").write_text(json.dumps({"boxes": boxes}))
    found = figure_inputs({"checkpoint": plain()}, {"test": None}, boxes=tmp_path / "boxes.json")
    object.__setattr__(found, "pack", lambda split: bare(scenes))
    result = FilterDropping("window", 20, 5, 40, 2, 64).make(found)
    assert result.pictures[""].shape == (3, 2 * CELL + 2, 5 * CELL + 2)
    scores = result.scores
    assert (
        scores["boxes"] == scores["samples_with_boxes"] == 8
        and 0 < scores["channels_dropped"] < scores["channels"] == 8
    )
    assert "gone" not in scores  # there are no masks to score by
    assert result.differs == [] and result.remarks[0] == f"boxes: {tmp_path / 'boxes.json'}"


def bare(scenes: Packs) -> Pack:
    pack = scenes[None]
    return Pack(pack.folder, pack.manifest, {"images": pack.images})


def test_a_network_finds_the_boxes_where_there_are_masks(
    plain: Callable, figure_inputs: Callable, scenes: Packs
) -> None:
    item, given = FilterDropping("floor", 30, 4, 60, 2, 1_600), figure_inputs({"checkpoint": plain()}, scenes)
    result = item.make(given)
    scores = result.scores
    assert "network trained on the data's masks" in result.differs[0] and "finds the boxes" in result.differs[1]
    assert {"gone", "gone_random", "others", "others_random", "segmenter_iou"} <= scores.keys()
    assert scores["segmenter_iou"] > 0.3 and 0 <= scores["gone"] <= 1
    fewer = FilterDropping("floor", 30, 4, 60, 2, 1_600, layer=1, strongest=3).make(given)
    assert (fewer.scores["channels_dropped"], fewer.scores["channels"]) == (3, scores["channels"] / 2)
    assert fewer.scores["pixels_gone"] <= 1


def test_without_boxes_or_masks_a_person_draws_them(plain: Callable, figure_inputs: Callable, scenes: Packs) -> None:
    with pytest.raises(UserError, match="no masks to find a window by.*pick=PAGE.html"):
        FilterDropping("window", 20, 5, 40, 2, 64).make(figure_inputs({"checkpoint": plain()}, {None: bare(scenes)}))


def test_a_sum_of_exemplars_that_a_person_named(
    plain: Callable, figure_inputs: Callable, portraits: Packs, tmp_path: Path
) -> None:
    named = exemplars(tmp_path, "first", "second", "third")
    item = VectorArithmetic(LIGHT, 2, 0, 4, 0.5)
    given = figure_inputs({"checkpoint": plain()}, {None: bare(portraits)}, exemplars=named)
    result = item.make(given)
    assert result.scores == {} and str(named) in result.remarks[0] and result.differs == []
    assert result.pictures[""].shape[0] == 3
    with pytest.raises(UserError, match="no labels to choose exemplars by: name them in a file"):
        item.make(figure_inputs({"checkpoint": plain()}, {None: bare(portraits)}))


def test_sums_are_scored_by_a_classifier(plain: Callable, figure_inputs: Callable, portraits: Packs) -> None:
    given = figure_inputs({"checkpoint": plain()}, portraits)
    result = VectorArithmetic(LIGHT, 2, 10, 4, 0.01).make(given)
    shares = {"means_of_three", "single", "neighbours", "pixels_of_three", "pixels_single", "chance"}
    distances = {f"fid_classifier_{name}" for name in shares - {"neighbours", "chance"}}
    assert set(result.scores) == shares | distances | {"classifier_smile"}
    accuracy = given.classifiers.classifier(portraits[None]).accuracy
    assert result.scores["classifier_smile"] == accuracy["smile"] and len(result.differs) == 2
    assert all(0 <= result.scores[name] <= 1 for name in shares) and min(result.scores.values()) >= 0


def test_concepts_are_values_of_the_labels() -> None:
    assert attributes(["hair:1", " glasses : 0"]) == {"hair": 1, "glasses": 0}
    for values in (["hair"], ["hair:long"]):
        with pytest.raises(UserError, match=r"type values as \[hair:1,glasses:0\]"):
            attributes(values)


def test_a_turn_is_scored_by_a_regressor(
    plain: Callable, figure_inputs: Callable, portraits: Packs, tmp_path: Path
) -> None:
    item = TurnVector(2, 5, 3, 40, 1.0, "pose", 20, READER)
    result = item.make(figure_inputs({"checkpoint": plain()}, portraits))
    assert result.pictures[""].shape == (3, 2 * CELL + 2, 5 * CELL + 2)
    assert result.pictures["exemplars"].shape == (3, 2 * CELL + 2, 3 * CELL + 2)
    scores = result.scores
    assert -1 <= scores["correlation"] <= 1 and scores["reader"] > 0.3
    assert result.differs[0].startswith("exemplars have the extreme values of pose as a network")
    named = figure_inputs(
        {"checkpoint": plain()}, {None: bare(portraits)}, exemplars=exemplars(tmp_path, "left", "right")
    )
    object.__setattr__(named, "pack", lambda split: unknowing(portraits))
    found = item.make(named)
    assert found.scores == {} and found.differs == [] and found.remarks[0].startswith("exemplars: ")


def test_a_turn_is_compared_with_ten_random_directions(
    plain: Callable, figure_inputs: Callable, portraits: Packs
) -> None:
    item, given = TurnVector(2, 5, 3, 40, 1.0, "pose", 20, READER), figure_inputs({"checkpoint": plain()}, portraits)
    read = given.classifiers.regressor(portraits[None], "pose", Training(**READER))
    sampler = given.model.sampler()
    vector = turn_vector(*item.ends(sampler, read, 0))
    latents = sampler.draw(20, 0, SCORED)
    each = [score_direction(sampler, read, latents, random_direction(vector, n), 5, 1.0).overall for n in range(10)]
    assert item.make(given).scores["random"] == pytest.approx(np.abs(each).mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("cells", "size", "message"),
    [
        ([[[1, 1], [1, 2]], [[2, 1]]], 6, "unequal numbers of exemplars, 2 of left, 1 of right"),
        ([[[1, 1]], [[2, 1]]], 9, "names latents of 9 numbers, and the generator takes 6"),
    ],
)
def test_exemplars_that_do_not_fit_are_refused(
    plain: Callable, figure_inputs: Callable, portraits: Packs, tmp_path: Path, cells: list, size: int, message: str
) -> None:
    LatentGrid(torch.randn(6, size), None, 3).save(tmp_path / "grid.npz")
    named = {"latents": "grid.npz", "exemplars": dict(zip(("left", "right"), cells, strict=True))}
    (tmp_path / "chosen.json").write_text(json.dumps(named))
    given = figure_inputs({"checkpoint": plain()}, portraits, exemplars=tmp_path / "chosen.json")
    with pytest.raises(UserError, match=message):
        TurnVector(2, 5, 3, 40, 1.0, "pose", 20, READER).make(given)


def unknowing(portraits: Packs) -> Pack:
    pack = portraits[None]
    return Pack(pack.folder, {**pack.manifest, "factors": []}, {"images": pack.images})


def test_what_a_person_may_choose_from(plain: Callable, figure_inputs: Callable, portraits: Packs) -> None:
    given = figure_inputs({"checkpoint": plain()}, portraits)
    three = VectorArithmetic(LIGHT, 2, 0, 4, 0.5).candidates(given)
    assert three.images.shape == (144, 3, 32, 32) and three.concepts == ("first", "second", "third")
    assert TurnVector(2, 5, 3, 40, 1.0, "pose", 20, READER).candidates(given).concepts == ("left", "right")
    boxed = FilterDropping("window", 20, 5, 40, 2, 64).candidates(given)
    assert len(boxed.images) == 20 and boxed.concepts == ()
    assert FeatureResponses(1, 1, 10, 2, "leaky").candidates(given) is None


def test_networks_too_small_to_have_a_second_highest_layer(
    plain: Callable, figure_inputs: Callable, scenes: Packs
) -> None:
    with pytest.raises(ValueError, match="layer=2 does not exist: the generator has 1 convolutional layers"):
        FilterDropping("window", 20, 5, 40, 2, 64).make(figure_inputs({"checkpoint": plain(16)}, scenes))
