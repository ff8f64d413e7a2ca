"""Figures 1, 2, 4, 9, 10 and 11: their layouts to the pixel, and what their numbers mean."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.networks.authors import Generator
from ganlab.paper.figures.digits_side_by_side import SideBySide
from ganlab.paper.figures.generator_diagram import GeneratorDiagram, Stack, stacks_of
from ganlab.paper.figures.latent_walk import LatentWalk
from ganlab.paper.figures.samples import Samples, SortedSamples, discriminate
from ganlab.systems.request import Request

Packs = dict[str | None, Pack]
CELL, SMALL = 32 + 2, 16 + 2  # pixels of a sample and the line next to it, of procedural sets and of digits


def test_the_papers_generator_is_drawn_with_the_papers_stacks() -> None:
    stages = stacks_of(Generator(image_size=64, channels=3, width=128, latent_size=100))
    shapes = [(stage.channels, stage.height, stage.width) for stage in stages]
    assert shapes == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
    assert stages[0].step == "project and reshape" and {stage.step for stage in stages[1:]} == {"5x5, stride 2"}


def test_a_drawing_counts_the_networks_own_layers(plain: Callable, figure_inputs: Callable) -> None:
    result = GeneratorDiagram().make(figure_inputs({"checkpoint": plain()}, {}))
    picture = result.pictures[""]
    assert result.scores["stacks"] == 4 and picture.shape[0] == 3 and picture.dtype == torch.uint8
    assert (picture != 255).any()
    assert stacks_of(plain().generator)[0] == Stack(16, 4, 4, "project and reshape")


def test_samples_are_the_systems_own(plain: Callable, figure_inputs: Callable, scenes: Packs) -> None:
    model = plain()
    model.system.clock.images_seen += 512
    result = Samples(2, 3).make(figure_inputs({"checkpoint": model}, scenes))
    assert result.pictures[""].shape == (3, 2 * CELL + 2, 3 * CELL + 2)
    assert result.scores == {"epochs": 2.0, "images_seen": 512}
    assert torch.equal(result.pictures[""][:, 2:CELL, 2:CELL], model.system.sample(6)[0])
    assert result.differs == [
        "our samples: unknown data, 32x32; the paper's: LSUN's bedrooms (figures 2 and "
        "3) and faces found on the web (figure 10), 64x64, width 128"
    ]


def test_samples_need_no_data_and_name_their_own(plain: Callable, figure_inputs: Callable) -> None:
    def absent(split: str | None) -> None:
        raise UserError("the data are not here")

    model = replace(plain(), config={"data": {"name": "portraits"}, "architecture": {"width": 4}})
    model.system.clock.images_seen += 512
    given = replace(figure_inputs({"checkpoint": model}, {}), pack=absent)
    result = Samples(2, 3).make(given)
    assert result.scores == {"images_seen": 512} and result.remarks == []
    assert result.differs[0].startswith("our samples: portraits, 32x32, width 4; the paper's")
    paper = replace(plain(64), config={"data": {"name": "lsun"}, "architecture": {"width": 128}})
    result = Samples(1, 1).make(replace(given, models={"checkpoint": paper}))
    assert result.scores == {} and result.differs == []  # weights of unknown training length


def test_sorted_samples_go_from_most_to_least_probable(plain: Callable, figure_inputs: Callable) -> None:
    model = plain()
    result = SortedSamples(4, 4).make(figure_inputs({"checkpoint": model}, {}))
    logits = discriminate(model, model.system.sample(16), None)
    best = model.system.sample(16)[logits.argmax()]
    assert torch.equal(result.pictures[""][:, 2:CELL, 2:CELL], best)
    assert result.scores["first_row"] == pytest.approx(logits.sigmoid().sort().values[-4:].mean().item(), abs=1e-6)
    assert result.scores["first_row"] > result.scores["last_row"]


def test_a_conditional_discriminator_is_given_the_requested_labels(
    conditional: Callable, figure_inputs: Callable
) -> None:
    model = conditional()
    with torch.no_grad():
        model.discriminator.head.weight[:, -10:] = 10 * torch.arange(10.0)  # a logit that rises with the label
    images, labels = model.system.sample(16), model.system.labels_for(Request.first(16), 0)
    logits = discriminate(model, images, labels)
    assert logits[labels == labels.max()].min() > logits[labels == labels.min()].max()
    result = SortedSamples(4, 4).make(figure_inputs({"checkpoint": model}, {}))
    first = result.pictures[""][:1, 2:SMALL, 2:SMALL]
    assert torch.equal(first, images[logits.argmax()]) and labels[logits.argmax()] == labels.max()


@pytest.mark.parametrize("how", ["linear", "spherical"])
def test_a_walk_is_smoother_than_a_memorised_one(
    plain: Callable, figure_inputs: Callable, scenes: Packs, how: str
) -> None:
    result = LatentWalk(4, 10, how, "standing").make(figure_inputs({"checkpoint": plain()}, scenes))
    assert result.pictures[""].shape == (3, 4 * CELL + 2, 10 * CELL + 2)
    assert len(result.animations[""]) == 2 * (4 * 9 + 1) - 2  # there and back, meeting points once
    scores = result.scores
    assert 1 <= scores["largest_step"] < 2 and scores["mean_step"] > 0  # weights of noise draw smooth noise
    assert not scores["largest_step_memorised"] <= scores["largest_step"]  # nan where one image is nearest all along
    assert ["standing batch statistics" in line for line in result.differs] == [True]
    row = result.pictures[""]
    assert torch.equal(row[:, 2:CELL, 9 * CELL + 2 : 10 * CELL], row[:, CELL + 2 : 2 * CELL, 2:CELL])


def test_a_walk_with_the_batchs_statistics_is_the_authors(
    plain: Callable, figure_inputs: Callable, scenes: Packs
) -> None:
    given = figure_inputs({"checkpoint": plain()}, scenes)
    assert LatentWalk(1, 3, "linear", "batch").make(given).differs == []
    assert LatentWalk(1, 3, "linear", "running").make(given).differs[0].startswith("running batch statistics")
    with pytest.raises(ValueError, match="'frozen' does not exist"):
        LatentWalk(1, 3, "linear", "frozen").make(given)


def test_three_grids_of_digits_and_who_draws_what_is_asked(
    conditional: Callable, figure_inputs: Callable, split_digits: Packs
) -> None:
    models = {"checkpoint": conditional(), "baseline": conditional()}
    result = SideBySide(5, 4).make(figure_inputs(models, split_digits))
    assert result.pictures[""].shape == (3, 5 * SMALL + 2, 3 * (4 * SMALL + 2) + 2 * 8)
    scores = result.scores
    assert scores["baseline_right"] == scores["dcgan_right"] < 0.3 < scores["classifier"]


def test_digits_of_a_model_without_classes_are_not_classified(
    plain: Callable, conditional: Callable, figure_inputs: Callable, split_digits: Packs
) -> None:
    models = {"checkpoint": plain(16, 1), "baseline": conditional()}
    assert "dcgan_right" not in SideBySide(2, 2).make(figure_inputs(models, split_digits)).scores
