"""Two folders of images, measured against each other."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.classifiers.digits import digits
from ganlab.errors import UserError
from ganlab.evaluation.image_folders import PackImages, open_images
from ganlab.report.grids import save_each
from ganlab.systems.request import Request


def images(count: int, height: int = 8, width: int = 6, channels: int = 3) -> torch.Tensor:
    draws = np.random.default_rng(count).integers(0, 256, (count, channels, height, width), np.uint8)
    return torch.from_numpy(draws)


def test_folders_are_measured_like_samples(command: Callable, tmp_path: Path) -> None:
    real, _ = digits()
    for name, pictures in (("real", real[:60]), ("same", real[:60]), ("dark", real[100:160] // 4)):
        save_each(pictures, tmp_path / name)
    values = {}
    for name in ("same", "dark"):
        output = tmp_path / f"{name}.json"
        folders = (f"generated={tmp_path / name}", f"real={tmp_path / 'real'}")
        options = (f"output={output}", "features=digits", "metrics=[fid,swd,precision]")
        outcome = command("evaluate", *folders, *options)
        assert outcome.code == 0, outcome.err
        report = json.loads(output.read_text())
        values[name] = {metric: one["value"] for metric, one in report["metrics"].items()}
        fid = report["metrics"]["fid"]["protocol"]
        assert (fid["real"], fid["fake"], fid["generated"]) == (60, 60, f"folder-{name}")
    assert values["same"]["fid"] == pytest.approx(0, abs=1e-6) and values["same"]["precision"] == 1
    assert values["dark"]["fid"] > 1 and values["dark"]["swd"] > values["same"]["swd"]


def test_pixels_stay_as_they_are_whatever_the_shape(tmp_path: Path) -> None:
    pictures = images(5)
    save_each(pictures, tmp_path / "folder")
    pack = open_images("real", str(tmp_path / "folder"), tmp_path / "packs")
    assert torch.equal(torch.from_numpy(np.array(pack.images)).permute(0, 3, 1, 2), pictures)
    assert open_images("real", str(pack.folder), tmp_path / "packs").manifest == pack.manifest
    system = PackImages(pack, None, torch.device("cpu"))
    drawn = system.respond(Request.first(5), 3)
    assert sorted(drawn.flatten(1).sum(dim=1).tolist()) == sorted(pictures.flatten(1).sum(dim=1).tolist())
    assert not torch.equal(drawn, system.respond(Request.first(5), 4))
    assert system.labels_for(Request.first(2), 3) is None


def test_sub_folders_are_classes_where_both_have_the_same(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        save_each(images(2 if name == "cats" else 3), tmp_path / "folder" / name)
    pack = open_images("generated", str(tmp_path / "folder"), tmp_path / "packs")
    system = PackImages(pack, ["cats", "dogs"], torch.device("cpu"))
    labels = system.labels_for(Request.first(5), 3)
    assert labels.bincount().tolist() == [2, 3]
    assert PackImages(pack, ["cows", "dogs"], torch.device("cpu")).labels_for(Request.first(2), 3) is None


@pytest.mark.parametrize(
    ("name", "size", "mode", "message"),
    [
        (
            "9.png",
            (6, 9),
            "RGB",
            "9.png is 6x9 and the images before it are 6x8; resize all: .*folder data.image_size=6 data",
        ),
        ("9.png", (6, 8), "L", None),
        ("0.png", (6, 8), "L", "is in colour and the images before it are grey"),
    ],
)
def test_mixtures(name: str, size: tuple[int, int], mode: str, message: str | None, tmp_path: Path) -> None:
    save_each(images(3), tmp_path / "folder")
    Image.new(mode, size).save(tmp_path / "folder" / name)
    if name == "0.png":
        (tmp_path / "folder" / name).rename(tmp_path / "folder" / "000000.png")
    if message is None:
        assert open_images("real", str(tmp_path / "folder"), tmp_path / "packs").images.shape == (4, 8, 6, 3)
        return
    with pytest.raises(UserError, match=message):
        open_images("real", str(tmp_path / "folder"), tmp_path / "packs")


def test_mistakes_are_told(command: Callable, tmp_path: Path) -> None:
    save_each(images(5), tmp_path / "small")
    save_each(images(5, 16, 16), tmp_path / "large")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("nothing")
    for generated, real, message in (
        ("small", None, "real is missing: type real=FOLDER"),
        ("nowhere", "small", "nowhere does not exist: set generated to a folder of pictures"),
        ("small", "empty", "real="),
        ("small", "broken", "a.png cannot be read (not a picture of a known format): remove it"),
        ("small", "large", "generated images are 6x8x3 and real ones 16x16x3: resize the larger ones"),
    ):
        given = [f"{key}={tmp_path / name}" for key, name in (("generated", generated), ("real", real)) if name]
        outcome = command("evaluate", *given, "metrics=swd")
        assert outcome.code == 1 and message in outcome.err and "Traceback" not in outcome.err
    outcome = command("evaluate", f"generated={tmp_path}/small", f"real={tmp_path}/small", "metrics=swd", "repeats=2")
    assert outcome.code == 1 and "holds 5 images in all: type count=2" in outcome.err


def test_mixtures_are_to_have_the_size_of_the_samples(tmp_path: Path) -> None:
    save_each(images(3), tmp_path / "folder")
    Image.new("RGB", (6, 9)).save(tmp_path / "folder" / "9.png")
    with pytest.raises(UserError, match="data.image_size=5 data.channels=1, as the samples have, and real=PACK$"):
        open_images("real", str(tmp_path / "folder"), tmp_path / "packs", (5, 5, 1))
