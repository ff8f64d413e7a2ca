"""Which real images a checkpoint is measured against."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ganlab.configuration.entry import CONF
from ganlab.data.packs.source import NoSuchSplitError
from ganlab.errors import UserError
from ganlab.runs.real_images import held_out_of, pack_of_split, with_split


def trained(split: str = "train", **node: Any) -> dict[str, Any]:
    return {"data": {"name": "set", "split": split, "source": {"_target_": "T", "split": split, **node}}}


def test_another_split_leaves_the_rest_as_it_is() -> None:
    config = trained(root="there")
    other = with_split(config, "test")["data"]
    assert (other["split"], other["source"]) == ("test", {"_target_": "T", "split": "test", "root": "there"})
    assert config["data"]["split"] == "train"
    with pytest.raises(UserError, match="split=test: data=set has no splits; leave it out"):
        with_split({"data": {"name": "set", "source": {"_target_": "T"}}}, "test")


def test_the_other_split_of_a_folder_is_the_one_beside_it(tmp_path: Path) -> None:
    for name in ("train", "test", "cats"):
        (tmp_path / name).mkdir()

    def folder(name: str) -> dict[str, Any]:
        return {"data": {"name": "folder", "source": {"_target_": "T", "root": str(tmp_path / name)}}}

    assert with_split(folder("train"), "test")["data"]["source"]["root"] == str(tmp_path / "test")
    for name, split in (("train", "val"), ("cats", "test"), ("test", "test")):
        with pytest.raises(UserError, match="has no splits"):
            with_split(folder(name), split)


def test_data_in_one_piece_hold_nothing_out() -> None:
    assert held_out_of({"data": {"name": "set", "source": {"_target_": "T"}}}) is None


def test_what_was_trained_on_is_not_held_out() -> None:
    assert pack_of_split(trained("test"), "test") is None  # without a look at the data, which are not there
    assert pack_of_split(trained("all"), "test") is None


def test_a_split_that_a_set_does_not_have_is_passed_over(tmp_path: Path) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("train", ["data=lsun", f"data.root={tmp_path}", "run=none"]))
    config["data"]["source"] |= {"split": "train", "root": str(tmp_path), "classes": ["bedroom"], "download": False}
    assert pack_of_split(config, "test") is None  # which has no labels: bedrooms are held out in val
    with pytest.raises(UserError, match="bedroom_val_lmdb") as missing:
        pack_of_split(config, "val")
    assert not isinstance(missing.value, NoSuchSplitError)


def test_a_conditional_model_is_judged_by_class_and_against_what_was_held_out(
    command: Callable, tmp_path: Path, idx: Callable
) -> None:
    idx(tmp_path / "MNIST" / "raw", count=60)
    small = ("debug=smoke", "logger=none", "metrics=none", "max_images=32", "data.batch_size=16")
    data = ("data=mnist", f"data.root={tmp_path}", "data.image_size=32", "architecture=dcgan_conditional")
    outcome = command("train", *small, *data, f"outputs={tmp_path}", "run=conditional")
    assert outcome.code == 0, outcome.err
    metrics = ("metrics=[intra_class_fid,cas,memorisation]", "metrics.cas.images=500", "features=digits")
    checkpoint = f"checkpoint={tmp_path}/conditional/checkpoints/last.ckpt"
    outcome = command("evaluate", checkpoint, *metrics, "count=60", "batch_size=30")
    assert outcome.code == 0, outcome.err
    found = json.loads((tmp_path / "conditional" / "evaluation.json").read_text())["metrics"]
    assert 8 <= found["intra_class_fid"]["protocol"]["classes"] <= 10  # some may be drawn but once
    assert "unreliable" in found["intra_class_fid"]["protocol"]["warning"]
    assert 0 <= found["cas_small_cnn"]["value"] <= 1
    assert found["cas_small_cnn"]["protocol"]["tested_on"] == "held-out images"
    assert found["memorisation"]["protocol"]["held_out"] == 60
    assert found["cas_small_cnn"]["protocol"]["split"] == "train"
    outcome = command("evaluate", checkpoint, "metrics=[fid]", "features=digits", "split=test", "count=60")
    assert outcome.code == 0, outcome.err
    fid = json.loads((tmp_path / "conditional" / "evaluation.json").read_text())["metrics"]["fid"]
    assert fid["protocol"]["split"] == "test" and fid["protocol"]["data"].startswith("mnist-test")
