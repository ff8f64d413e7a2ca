"""Figures 5 to 8 on drawn sets: layouts and scores with random weights; what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.latent.directions import turn
from ganlab.latent.exemplars import Sheet
from ganlab.latent.scoring import random_direction, score_turn
from ganlab.networks import dcgan
from ganlab.paper.figures.feature_patches import FeatureResponses
from ganlab.paper.figures.forgetting import WindowForgetting
from ganlab.paper.figures.turn import SCORED, Turn
from ganlab.paper.figures.vector_arithmetic import VectorArithmetic, wanted

Packs = dict[str | None, Pack]
CELL = 32 + 2  # pixels of a sample and the line beside it
READER = {"images": 3_000, "batch_size": 32, "learning_rate": 3e-3, "width": 4, "seed": 0}
LIGHT = {
    "first": ["smile:1"],
    "second": ["smile:0"],
    "third": ["smile:0"],
    "result": ["smile:1"],
}


def exemplars(folder: Path, *names: str) -> Path:
    Sheet(torch.randn(6, 6), None, 3).save(folder / "grid.npz")
    places = {name: [[1, n + 1], [2, n + 1]] for n, name in enumerate(names)}
    (folder / "chosen.json").write_text(json.dumps({"latents": "grid.npz", "exemplars": places}))
    return folder / "chosen.json"


def test_trained_patches_stand_beside_random_ones(plain: Callable, material: Callable, scenes: Packs) -> None:
    outcome = FeatureResponses(3, 2, 100, 5, "leaky").make(material({"checkpoint": plain()}, scenes))
    side = 29 + 2  # the receptive field of three 5x5 convolutions of stride 2
    assert outcome.pictures[""].shape == (3, 6 * side + 2, 2 * (2 * side + 2) + 8)
    assert outcome.scores["lift"] > 0 and outcome.scores["lift_random"] > 0
    assert outcome.scores["lift"] != outcome.scores["lift_random"]
    with pytest.raises(UserError, match="figure.patches=101 .* 100 are looked through: type figure.patches=100"):
        FeatureResponses(3, 101, 100, 5, "leaky").make(material({"checkpoint": plain()}, scenes))


def test_the_last_features_are_not_the_logit(plain: Callable, material: Callable, scenes: Packs) -> None:
    torch.manual_seed(0)
    discriminator = dcgan.Discriminator(32, 3, width=4, head="convolution", deviation=0.2)
    model = plain()
    model.system.networks["discriminator"] = discriminator
    outcome = FeatureResponses(20, 1, 40, 20, "leaky").make(material({"checkpoint": model}, scenes))
    assert outcome.remarks[-1] == "scores over 16 features of the last convolution"


def test_windows_are_found_dropped_and_counted(
    plain: Callable, material: Callable, scenes: Packs, tmp_path: Path
) -> None:
    boxes = {str(n): [[0.0, 0.0, 0.6, 0.6]] for n in range(8)}
    (tmp_path / "boxes.json").write_text(json.dumps({"boxes": boxes}))
    found = material({"checkpoint": plain()}, {"test": None}, boxes=tmp_path / "boxes.json")
    object.__setattr__(found, "pack", lambda split: bare(scenes))
    outcome = WindowForgetting("window", 20, 5, 40, 2, 64).make(found)
    assert outcome.pictures[""].shape == (3, 2 * CELL + 2, 5 * CELL + 2)
    scores = outcome.scores
    assert scores["boxes"] == scores["samples_with_boxes"] == 8 and 0 < scores["maps_dropped"] < scores["maps"] == 8
    assert "gone" not in scores  # nothing tells what a window is
    assert outcome.differs == [] and outcome.remarks[0] == f"boxes: {tmp_path / 'boxes.json'}"


def bare(scenes: Packs) -> Pack:
    pack = scenes[None]
    return Pack(pack.folder, pack.manifest, {"images": pack.images})


def test_a_network_finds_the_boxes_where_there_are_masks(plain: Callable, material: Callable, scenes: Packs) -> None:
    item, given = WindowForgetting("floor", 30, 4, 60, 2, 1_600), material({"checkpoint": plain()}, scenes)
    outcome = item.make(given)
    scores = outcome.scores
    assert "what is gone is told by a network" in outcome.differs[0] and "boxes are found" in outcome.differs[1]
    assert {"gone", "gone_random", "others", "others_random", "finder_iou"} <= scores.keys()
    assert scores["finder_iou"] > 0.3 and 0 <= scores["gone"] <= 1
    fewer = WindowForgetting("floor", 30, 4, 60, 2, 1_600, layer=1, strongest=3).make(given)
    assert (fewer.scores["maps_dropped"], fewer.scores["maps"]) == (3, scores["maps"] / 2)
    assert fewer.scores["pixels_gone"] <= 1


def test_without_boxes_or_masks_a_person_draws_them(plain: Callable, material: Callable, scenes: Packs) -> None:
    with pytest.raises(UserError, match="no masks to find a window by.*pick=PAGE.html"):
        WindowForgetting("window", 20, 5, 40, 2, 64).make(material({"checkpoint": plain()}, {None: bare(scenes)}))


def test_a_sum_of_exemplars_that_a_person_named(
    plain: Callable, material: Callable, portraits: Packs, tmp_path: Path
) -> None:
    named = exemplars(tmp_path, "first", "second", "third")
    item = VectorArithmetic(LIGHT, 2, 0, 4, 0.5)
    given = material({"checkpoint": plain()}, {None: bare(portraits)}, exemplars=named)
    outcome = item.make(given)
    assert outcome.scores == {} and str(named) in outcome.remarks[0] and outcome.differs == []
    assert outcome.pictures[""].shape[0] == 3
    with pytest.raises(UserError, match="no labels to choose exemplars by: name them in a file"):
        item.make(material({"checkpoint": plain()}, {None: bare(portraits)}))


def test_sums_are_scored_by_a_classifier(plain: Callable, material: Callable, portraits: Packs) -> None:
    given = material({"checkpoint": plain()}, portraits)
    outcome = VectorArithmetic(LIGHT, 2, 10, 4, 0.01).make(given)
    shares = {"means_of_three", "single", "neighbours", "pixels_of_three", "pixels_single", "chance"}
    distances = {f"fid_classifier_{name}" for name in shares - {"neighbours", "chance"}}
    assert set(outcome.scores) == shares | distances | {"classifier_smile"}
    accuracy = given.judges.classifier(portraits[None]).accuracy
    assert outcome.scores["classifier_smile"] == accuracy["smile"] and len(outcome.differs) == 2
    assert all(0 <= outcome.scores[name] <= 1 for name in shares) and min(outcome.scores.values()) >= 0


def test_concepts_are_values_of_the_labels() -> None:
    assert wanted(["hair:1", " glasses : 0"]) == {"hair": 1, "glasses": 0}
    for values in (["hair"], ["hair:long"]):
        with pytest.raises(UserError, match=r"type them as \[hair:1,glasses:0\]"):
            wanted(values)


def test_a_turn_is_scored_by_what_a_network_reads(
    plain: Callable, material: Callable, portraits: Packs, tmp_path: Path
) -> None:
    item = Turn(2, 5, 3, 40, 1.0, "pose", 20, READER)
    outcome = item.make(material({"checkpoint": plain()}, portraits))
    assert outcome.pictures[""].shape == (3, 2 * CELL + 2, 5 * CELL + 2)
    assert outcome.pictures["exemplars"].shape == (3, 2 * CELL + 2, 3 * CELL + 2)
    scores = outcome.scores
    assert -1 <= scores["correlation"] <= 1 and scores["reader"] > 0.3
    assert outcome.differs[0].startswith("exemplars are the ends of pose as a network reads it")
    named = material({"checkpoint": plain()}, {None: bare(portraits)}, exemplars=exemplars(tmp_path, "left", "right"))
    object.__setattr__(named, "pack", lambda split: unknowing(portraits))
    found = item.make(named)
    assert found.scores == {} and found.differs == [] and found.remarks[0].startswith("exemplars: ")


def test_a_turn_is_compared_with_ten_random_directions(plain: Callable, material: Callable, portraits: Packs) -> None:
    item, given = Turn(2, 5, 3, 40, 1.0, "pose", 20, READER), material({"checkpoint": plain()}, portraits)
    read = given.judges.reader(portraits[None], "pose", item.reader)
    sampler = given.model.sampler()
    vector = turn(*item.ends(sampler, read, 0))
    latents = sampler.draw(20, 0, SCORED)
    each = [score_turn(sampler, read, latents, random_direction(vector, n), 5, 1.0).overall for n in range(10)]
    assert item.make(given).scores["random"] == pytest.approx(np.abs(each).mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("cells", "size", "message"),
    [
        ([[[1, 1], [1, 2]], [[2, 1]]], 6, "unequal numbers of exemplars, 2 of left, 1 of right"),
        ([[[1, 1]], [[2, 1]]], 9, "names latents of 9 numbers, and the generator takes 6"),
    ],
)
def test_exemplars_that_cannot_be_turned_are_told(
    plain: Callable, material: Callable, portraits: Packs, tmp_path: Path, cells: list, size: int, message: str
) -> None:
    Sheet(torch.randn(6, size), None, 3).save(tmp_path / "grid.npz")
    named = {"latents": "grid.npz", "exemplars": dict(zip(("left", "right"), cells, strict=True))}
    (tmp_path / "chosen.json").write_text(json.dumps(named))
    given = material({"checkpoint": plain()}, portraits, exemplars=tmp_path / "chosen.json")
    with pytest.raises(UserError, match=message):
        Turn(2, 5, 3, 40, 1.0, "pose", 20, READER).make(given)


def unknowing(portraits: Packs) -> Pack:
    pack = portraits[None]
    return Pack(pack.folder, {**pack.manifest, "factors": []}, {"images": pack.images})


def test_what_a_person_may_choose_from(plain: Callable, material: Callable, portraits: Packs) -> None:
    given = material({"checkpoint": plain()}, portraits)
    three = VectorArithmetic(LIGHT, 2, 0, 4, 0.5).choices(given)
    assert three.images.shape == (144, 3, 32, 32) and three.concepts == ("first", "second", "third")
    assert Turn(2, 5, 3, 40, 1.0, "pose", 20, READER).choices(given).concepts == ("left", "right")
    boxed = WindowForgetting("window", 20, 5, 40, 2, 64).choices(given)
    assert len(boxed.images) == 20 and boxed.concepts == ()
    assert FeatureResponses(1, 1, 10, 1, "leaky").choices(given) is None


def test_networks_too_small_to_have_a_second_highest_layer(plain: Callable, material: Callable, scenes: Packs) -> None:
    with pytest.raises(ValueError, match="2 convolutional layers, and 2 was to be counted down"):
        WindowForgetting("window", 20, 5, 40, 2, 64).make(material({"checkpoint": plain(16)}, scenes))
