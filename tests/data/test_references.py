from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from ganlab.configuration.checking import check
from ganlab.configuration.entry import CONF
from ganlab.data.inputs import HOLES, make_inputs
from ganlab.data.module import ImageDataModule
from ganlab.data.packs.pictures import PictureProtocol, decode
from ganlab.data.packs.source import Record
from ganlab.data.sources.folder import Folder
from ganlab.data.spec import PackSpec
from ganlab.errors import UserError
from ganlab.runs.build import build_data

INDICES = np.array([7, 0, 29])


class Negatives(Folder):
    """Each picture with its negative."""

    pictures = ("inputs", "targets")

    def read(self, index: int) -> Record:
        picture = np.asarray(decode(super().read(index)["images"]))
        return {"inputs": picture, "targets": 255 - picture, "labels": index % 2}


@pytest.fixture
def module(photos: Path, tmp_path: Path) -> Callable[..., ImageDataModule]:
    """Makes data modules of thirty pictures, packed at 24x24 pixels and cropped to 16x16."""

    def spec(source: Folder) -> PackSpec:
        return PackSpec(source, PictureProtocol(24, 3), tmp_path / "packs", max_broken=0, workers=0)

    def make(kind: str = "images", **options: Any) -> ImageDataModule:
        specs = {
            "images": lambda: spec(Folder(str(photos))),
            "pairs": lambda: spec(Negatives(str(photos))),
            "domains": lambda: {"a": spec(Folder(str(photos))), "b": spec(Folder(str(photos / "cat")))},
        }[kind]()
        return ImageDataModule(specs, 8, seed=5, image_size=16, flip=True, **options)

    return make


def pictures(array: np.ndarray) -> torch.Tensor:
    """The centres of packed pictures at INDICES."""
    return torch.from_numpy(array[INDICES, 4:20, 4:20].transpose(0, 3, 1, 2).copy())


def test_a_generator_of_images_is_shown_nothing(module: Callable[..., ImageDataModule]) -> None:
    made = module()
    reference = made.reference()
    assert reference.shown(INDICES) == {} and reference.count == 30
    assert np.array_equal(reference.reals.images, made.packs[0].images[:, 4:20, 4:20])
    with pytest.raises(UserError, match="task 'a_to_b' cannot be learned from these data: take ''"):
        made.reference("a_to_b")


def test_pairs_show_inputs_and_truth_and_may_be_exchanged(module: Callable[..., ImageDataModule]) -> None:
    made = module("pairs")
    arrays = made.packs[0].arrays
    for task in ("", "a_to_b"):
        shown = made.reference(task).shown(INDICES)
        assert list(shown) == ["inputs", "targets"] and shown["inputs"].dtype == torch.uint8
        assert torch.equal(shown["inputs"], pictures(arrays["inputs"]))
        assert torch.equal(shown["targets"], pictures(arrays["targets"]))
        assert np.array_equal(made.reference(task).reals.images[INDICES].transpose(0, 3, 1, 2), shown["targets"])
    back = made.reference("b_to_a")
    assert back.count == 30 and torch.equal(back.shown(INDICES)["inputs"], pictures(arrays["targets"]))
    assert torch.equal(back.shown(INDICES)["targets"], pictures(arrays["inputs"]))
    assert np.array_equal(back.reals.images, arrays["inputs"][:, 4:20, 4:20])
    checksums = {name: facts["crc32"] for name, facts in made.packs[0].manifest["arrays"].items()}
    assert back.reals.manifest["arrays"]["targets"]["crc32"] == checksums["inputs"] != checksums["targets"]
    assert made.fixed(4).keys() == {"inputs", "targets"}


@pytest.mark.parametrize("kind", HOLES)
def test_masks_follow_from_the_index_alone(module: Callable[..., ImageDataModule], kind: str) -> None:
    made = module(inputs=kind)
    reference = made.reference("a_to_b")
    shown = reference.shown(INDICES)
    assert {name: tuple(each.shape) for name, each in shown.items()} == {
        "inputs": (3, 3, 16, 16),
        "targets": (3, 3, 16, 16),
        "masks": (3, 1, 16, 16),
    }
    assert all(each.dtype == torch.uint8 for each in shown.values())
    assert torch.equal(shown["targets"], pictures(made.packs[0].images))
    assert np.array_equal(reference.reals.images[INDICES].transpose(0, 3, 1, 2), shown["targets"])
    hole = shown["masks"].bool()
    assert (shown["inputs"].masked_select(~hole) == shown["targets"].masked_select(~hole)).all()
    mean_colour = torch.tensor([117, 104, 123], dtype=torch.uint8)[:, None, None]
    assert (shown["inputs"] == mean_colour).masked_select(hole).all() and 0.05 < hole.float().mean() < 0.45
    alone = reference.shown(INDICES[1:2])
    assert all(torch.equal(shown[name][1:2], alone[name]) for name in shown)
    again = module(inputs=kind).fixed(30)  # in training order, at any count
    assert all(torch.equal(again[name][:4], made.fixed(4)[name]) for name in ("inputs", "targets", "masks"))
    if kind != "centre_hole":
        assert len(again["masks"].flatten(1).unique(dim=0)) == 30


def test_drawings_are_made_from_the_centres(module: Callable[..., ImageDataModule]) -> None:
    made = module(inputs="edges")
    shown = made.reference().shown(INDICES)
    expected = make_inputs("edges", pictures(made.packs[0].images).permute(0, 2, 3, 1), None)
    assert list(shown) == ["inputs", "targets"]
    assert torch.equal(shown["inputs"], expected["inputs"].permute(0, 3, 1, 2))
    with pytest.raises(UserError, match="task 'b_to_a' cannot .*: take '' or 'a_to_b'"):
        made.reference("b_to_a")


@pytest.mark.parametrize(("kind", "options"), [("images", {"inputs": "grey"}), ("pairs", {})])
def test_grey_inputs_of_colour_targets_have_one_channel(
    module: Callable[..., ImageDataModule], kind: str, options: dict[str, str]
) -> None:
    made = module(kind, input_channels=1, **options)
    shown = made.reference().shown(INDICES)
    assert shown["inputs"].shape == (3, 1, 16, 16) and shown["targets"].shape == (3, 3, 16, 16)
    batch = {name: torch.from_numpy(np.array(made.packs[0].arrays[name][:8])) for name in made.pictures[0]}
    drawn = {name: torch.from_numpy(values) for name, values in made.transform.draw(0, 8).items()}
    assert made.transform.apply(batch | drawn)["inputs"].shape == (8, 16, 16, 1)


def test_impossible_input_channels_are_refused(module: Callable[..., ImageDataModule]) -> None:
    with pytest.raises(UserError, match="data.input_channels=2 cannot be made from data.channels=3: take 1 or 3"):
        module("pairs", input_channels=2)
    with pytest.raises(UserError, match="data.input_channels=1 needs inputs beside targets"):
        module("images", input_channels=1)


def test_metrics_and_previews_see_the_overlap_but_predict_the_whole_hole(
    module: Callable[..., ImageDataModule],
) -> None:
    shown = module(inputs="centre_hole", overlap=16).reference().shown(INDICES)
    filled = (shown["inputs"] != shown["targets"]).any(dim=1)
    assert list(shown) == ["inputs", "targets", "masks"] and shown["masks"].sum() == 3 * 8 * 8
    assert filled.sum() <= 3 * 4 * 4 and not filled[:, :6].any()


def test_domains_show_one_and_compare_with_the_other(module: Callable[..., ImageDataModule]) -> None:
    made = module("domains", labels=False)
    there, back = made.reference("a_to_b"), made.reference("b_to_a")
    assert (there.count, len(there.reals), back.count, len(back.reals)) == (30, 15, 15, 30)
    shown = there.shown(INDICES)
    assert list(shown) == ["inputs"] and torch.equal(shown["inputs"], pictures(made.packs[0].images))
    assert np.array_equal(there.reals.images, made.packs[1].images[:, 4:20, 4:20])
    third = back.shown(np.array([3]))["inputs"][0].permute(1, 2, 0)
    assert np.array_equal(third, made.packs[1].images[3, 4:20, 4:20])
    with pytest.raises(UserError, match="task '' cannot be learned .*: take 'a_to_b' or 'b_to_a'"):
        made.reference()


def test_drawn_domains_know_the_truth_and_share_no_room(tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        configs = [
            compose("prepare", [f"data={name}", "data.count=4", "data.image_size=16", f"packs={tmp_path}"])
            for name in ("day_night", "day_night_pairs")
        ]
    domains, paired = (build_data(check(config) | {"seed": 0}) for config in configs)
    rows = np.arange(4)
    there, back = (domains.reference(task).shown(rows) for task in ("a_to_b", "b_to_a"))
    truth = paired.reference().shown(rows)
    assert all(torch.equal(there[name], truth[name]) for name in ("inputs", "targets", "masks"))
    assert there["masks"].shape == (4, 1, 16, 16) and 0 < there["masks"].float().mean() < 0.4
    assert np.array_equal(domains.reference("b_to_a").reals.images.transpose(0, 3, 1, 2), there["inputs"])
    assert (back["inputs"].double().mean() < back["targets"].double().mean()).item()  # night to day
    assert not (there["targets"][:, None] == back["inputs"]).flatten(2).all(dim=2).any()
    assert set(next(iter(domains.streams())).arrays) == {"a"}
