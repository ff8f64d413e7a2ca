"""Tables of pictures into pictures on digits and drawn rooms, with a system whose answers are known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from ganlab.configuration.checking import check
from ganlab.configuration.entry import CONF
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.paper.figure import FigureInputs, Model
from ganlab.paper.figures.against_baselines import AgainstBaselines
from ganlab.paper.figures.occluded_recognition import OccludedRecognition, recovered
from ganlab.paper.record import percent
from ganlab.runs.build import build_data
from ganlab.systems.request import Request

Packs = dict[str | None, Pack]


class Known:
    """Answers with the pictures of a pack, by number."""

    learns_from = ("inputs", "targets", "masks")

    def __init__(self, pictures: np.ndarray, tasks: tuple[str, ...] = ("",)) -> None:
        self.pictures, self.names = torch.from_numpy(np.array(pictures.transpose(0, 3, 1, 2))), tasks
        self.asked: list[Request] = []

    def tasks(self) -> tuple[str, ...]:
        return self.names

    def respond(self, request: Request, seed: int, task: str = "") -> Tensor:
        assert request.targets is None  # the truth is not given away
        self.asked.append(request)
        return self.pictures[request.indices]


def test_occluded_digits_are_recognised_when_completed(figure_inputs: Callable, split_digits: Packs) -> None:
    test = split_digits["test"]
    assert test is not None
    system = Known(test.images)
    inputs = figure_inputs({"checkpoint": Model(system, {}, "truth")}, split_digits)
    table = OccludedRecognition(train=600, test=250)
    result = table.make(inputs)
    scores = result.scores
    assert scores["clean"] > 0.8
    for level in (10, 20, 35):
        assert scores[f"completed_{level}"] == scores["clean"] and scores[f"recovered_{level}"] == 1
        assert scores[f"mean_colour_{level}"] < scores[f"nearest_{level}"]
        assert scores[f"psnr_mean_colour_{level}"] < scores[f"psnr_nearest_{level}"]
    assert scores["mean_colour_35"] < scores["mean_colour_10"]
    masks = torch.cat([request.masks for request in system.asked if request.masks is not None])
    shares = masks.float().mean(dim=(1, 2, 3)).view(3, 250).mean(dim=1)
    assert shares.tolist() == pytest.approx([0.10, 0.20, 0.35], rel=0.05)
    assert result.pictures[""].shape == (3, 12 * 17 + 1, 8 * 17 + 1)
    rows = table.layout(lambda name, form=percent: form([scores[name]]))
    assert [row[0] for row in rows][:4] == ["test pictures", "clean", "occluded", "mean picture"]
    assert rows[1][1:] == [percent([scores["clean"]])] * 3 and all(len(row) == 4 for row in rows)
    assert np.isnan(recovered(0.5, 0.6, 0.7))


def modules(name: str, folder: Path, **changed: str) -> Callable:
    def of_split(split: str | None):
        typed = [
            f"data={name}",
            f"data.split={split or 'train'}",
            "data.count=8",
            "data.image_size=16",
            f"packs={folder}",
        ]
        if split not in (None, "test"):
            return None
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(
                "prepare", [*typed, *(f"{key}={value}" for key, value in changed.items()), f"packs={folder}"]
            )
        return build_data(check(config) | {"seed": 0})

    return of_split


def table_of(data: Callable, system: Known, folder: Path) -> tuple[AgainstBaselines, dict[str, float]]:
    table = AgainstBaselines(train=None, test=6)
    packs = {split: data(split) and data(split).pack for split in (None, "test")}
    inputs = FigureInputs({"checkpoint": Model(system, {}, "x")}, packs.get, None, None, None, 0, folder, data=data)  # type: ignore[arg-type]
    scores = table.make(inputs).scores
    rows = table.layout(lambda name, form=percent: form([scores[name]]))
    assert len({row[0] for row in rows}) == len(rows) == len(table.rows) + 1
    return table, scores


def test_completions_of_rooms_against_baselines(tmp_path: Path) -> None:
    data = modules("scenes", tmp_path, **{"data.inputs": "centre_hole", "data.overlap": "16"})
    table, scores = table_of(data, Known(data("test").pack.images), tmp_path)
    names = ["ours", "mean_colour", "mean_hole", "nearest", "mean_of_20_nearest", "ridge"]
    assert list(table.rows) == names and scores["l1_ours"] == 0
    shown, system = modules("scenes", tmp_path, **{"data.inputs": "centre_hole"}), Known(data("test").pack.images)
    _, without = table_of(shown, system, tmp_path)
    assert without["l1_mean_colour"] > 2 * scores["l1_mean_colour"] > 0  # what inputs show costs nothing


def test_translations_of_rooms_against_baselines(tmp_path: Path) -> None:
    data = modules("day_night", tmp_path)
    packs = data("test").packs
    _, scores = table_of(data, Known(packs[0].arrays["targets"], ("a_to_b", "b_to_a")), tmp_path)
    assert scores["l1_ours_a_to_b"] == scores["l1_ours_region_a_to_b"] == 0 < scores["l1_ours_b_to_a"]
    difference = packs[0].arrays["targets"][:6].astype(float) - packs[0].arrays["images"][:6]
    assert scores["l1_identity_a_to_b"] == pytest.approx(np.abs(difference).mean() / 255)
    assert scores["l1_histogram_a_to_b"] < 0.5 * scores["l1_identity_a_to_b"] < scores["l1_identity_region_a_to_b"]


def test_a_generator_from_noise_completes_nothing(
    figure_inputs: Callable, plain: Callable, split_digits: Packs
) -> None:
    inputs = figure_inputs({"checkpoint": plain(16, 1)}, split_digits)
    with pytest.raises(UserError, match="generates pictures from noise: give one that turns"):
        OccludedRecognition(train=50, test=8).make(replace(inputs, seed=1))
