"""Figures 1, 2, 4, 9, 10 and 11: their layouts to the pixel, and what their numbers mean."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.networks.authors import Generator
from ganlab.paper.figures.digits_side_by_side import SideBySide
from ganlab.paper.figures.generator_drawing import GeneratorDrawing, Stage, stages_of
from ganlab.paper.figures.latent_walk import LatentWalk
from ganlab.paper.figures.samples import Samples, SortedSamples, judged

Packs = dict[str | None, Pack]
CELL, SMALL = 32 + 2, 16 + 2  # pixels of a sample and the line beside it, of drawn sets and of digits


def test_the_papers_generator_is_drawn_with_the_papers_stacks() -> None:
    stages = stages_of(Generator(image_size=64, channels=3, width=128, latent_size=100))
    shapes = [(stage.maps, stage.height, stage.width) for stage in stages]
    assert shapes == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
    assert stages[0].step == "project and reshape" and {stage.step for stage in stages[1:]} == {"5x5, stride 2"}


def test_a_drawing_counts_the_networks_own_layers(plain: Callable, material: Callable) -> None:
    outcome = GeneratorDrawing().make(material({"checkpoint": plain()}, {}))
    picture = outcome.pictures[""]
    assert outcome.scores["stacks"] == 4 and picture.shape[0] == 3 and picture.dtype == torch.uint8
    assert (picture != 255).any()
    assert stages_of(plain().generator)[0] == Stage(16, 4, 4, "project and reshape")


def test_samples_are_the_systems_own(plain: Callable, material: Callable, scenes: Packs) -> None:
    model = plain()
    model.system.clock.images_seen += 512
    outcome = Samples(2, 3, 6).make(material({"checkpoint": model}, scenes))
    assert outcome.pictures[""].shape == (3, 2 * CELL + 2, 3 * CELL + 2)
    assert outcome.scores == {"epochs": 2.0, "images_seen": 512}
    assert torch.equal(outcome.pictures[""][:, 2:CELL, 2:CELL], model.system.sample(6, 0, 6)[0])
    assert outcome.differs == [
        "samples of a model of data that its weights do not tell, 32x32; the paper's: LSUN's bedrooms (figures 2 and "
        "3) and faces found on the web (figure 10), 64x64, width 128"
    ]


def test_samples_need_no_data_and_tell_what_they_are_of(plain: Callable, material: Callable) -> None:
    def absent(split: str | None) -> None:
        raise UserError("the data are not here")

    model = replace(plain(), config={"data": {"name": "portraits"}, "architecture": {"width": 4}})
    model.system.clock.images_seen += 512
    given = replace(material({"checkpoint": model}, {}), pack=absent)
    outcome = Samples(2, 3, 6).make(given)
    assert outcome.scores == {"images_seen": 512} and outcome.remarks == []
    assert outcome.differs[0].startswith("samples of a model of portraits, 32x32, width 4; the paper's")
    paper = replace(plain(64), config={"data": {"name": "lsun"}, "architecture": {"width": 128}})
    outcome = Samples(1, 1, 2).make(replace(given, models={"checkpoint": paper}))
    assert outcome.scores == {} and outcome.differs == []  # weights that do not tell how long they were trained


def test_sorted_samples_go_from_most_to_least_probable(plain: Callable, material: Callable) -> None:
    model = plain()
    outcome = SortedSamples(4, 4).make(material({"checkpoint": model}, {}))
    logits = judged(model, model.system.sample(16, 0, 16), None)
    best = model.system.sample(16, 0, 16)[logits.argmax()]
    assert torch.equal(outcome.pictures[""][:, 2:CELL, 2:CELL], best)
    assert outcome.scores["first_row"] == pytest.approx(logits.sigmoid().sort().values[-4:].mean().item(), abs=1e-6)
    assert outcome.scores["first_row"] > outcome.scores["last_row"]


def test_a_conditional_discriminator_is_told_what_was_asked_for(conditional: Callable, material: Callable) -> None:
    model = conditional()
    with torch.no_grad():
        model.discriminator.head.weight[:, -10:] = 10 * torch.arange(10.0)  # a logit that rises with the label
    images, labels = model.system.sample(16, 0, 16), model.system.generation_labels(0, 16, 0)
    logits = judged(model, images, labels)
    assert logits[labels == labels.max()].min() > logits[labels == labels.min()].max()
    outcome = SortedSamples(4, 4).make(material({"checkpoint": model}, {}))
    first = outcome.pictures[""][:1, 2:SMALL, 2:SMALL]
    assert torch.equal(first, images[logits.argmax()]) and labels[logits.argmax()] == labels.max()


@pytest.mark.parametrize("how", ["linear", "spherical"])
def test_a_walk_is_smooth_beside_one_by_heart(plain: Callable, material: Callable, scenes: Packs, how: str) -> None:
    outcome = LatentWalk(4, 10, how, "standing").make(material({"checkpoint": plain()}, scenes))
    assert outcome.pictures[""].shape == (3, 4 * CELL + 2, 10 * CELL + 2)
    assert len(outcome.animations[""]) == 2 * (4 * 9 + 1) - 2  # there and back, meeting points once
    scores = outcome.scores
    assert 1 <= scores["largest_step"] < 2 and scores["mean_step"] > 0  # weights of noise draw smooth noise
    assert not scores["largest_step_memorised"] <= scores["largest_step"]  # nan where one image is nearest all along
    assert ["standing batch statistics" in line for line in outcome.differs] == [True]
    row = outcome.pictures[""]
    assert torch.equal(row[:, 2:CELL, 9 * CELL + 2 : 10 * CELL], row[:, CELL + 2 : 2 * CELL, 2:CELL])


def test_a_walk_with_the_batchs_statistics_is_the_authors(plain: Callable, material: Callable, scenes: Packs) -> None:
    given = material({"checkpoint": plain()}, scenes)
    assert LatentWalk(1, 3, "linear", "batch").make(given).differs == []
    assert LatentWalk(1, 3, "linear", "running").make(given).differs[0].startswith("running batch statistics")
    with pytest.raises(ValueError, match="'frozen' does not exist"):
        LatentWalk(1, 3, "linear", "frozen").make(given)


def test_three_grids_of_digits_and_who_draws_what_is_asked(
    conditional: Callable, material: Callable, split_digits: Packs
) -> None:
    models = {"checkpoint": conditional(), "baseline": conditional()}
    outcome = SideBySide(5, 4).make(material(models, split_digits))
    assert outcome.pictures[""].shape == (3, 5 * SMALL + 2, 3 * (4 * SMALL + 2) + 2 * 8)
    scores = outcome.scores
    assert scores["baseline_right"] == scores["dcgan_right"] < 0.3 < scores["classifier"]


def test_digits_of_a_model_without_classes_are_not_judged(
    plain: Callable, conditional: Callable, material: Callable, split_digits: Packs
) -> None:
    models = {"checkpoint": plain(16, 1), "baseline": conditional()}
    assert "dcgan_right" not in SideBySide(2, 2).make(material(models, split_digits)).scores
