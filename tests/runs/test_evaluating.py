import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganlab.report.grids import save_each


def test_a_checkpoint_is_measured_with_its_protocol(command: Callable, smoke: Path, tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    options = (f"checkpoint={smoke}/checkpoints/last.ckpt", "metrics.count=128", f"output={output}")
    outcome = command("evaluate", *options, "metrics.batch_size=64")
    assert outcome.code == 0, outcome.err
    assert "fid_digits" in outcome.out and "two halves of the real images" in outcome.out
    report = json.loads(output.read_text())
    assert report["images_seen"] == 256
    fid = report["metrics"]["fid"]
    assert fid["protocol"]["features"] == "digits" and fid["protocol"]["fake"] == 128
    assert fid["protocol"]["batch_norm"] == "batch" and fid["protocol"]["ema"] is True
    assert 0 < fid["real_halves"] < fid["value"]
    trained = json.loads((smoke / "summary.json").read_text())["metrics"]
    assert fid["value"] == pytest.approx(trained["fid_digits"], rel=1e-6)  # the same code runs during training
    assert report["metrics"]["swd"]["value"] == pytest.approx(trained["swd"], rel=1e-6)
    assert fid["spread"] is None


def test_short_keys_and_repeats(command: Callable, smoke: Path, tmp_path: Path) -> None:
    output = tmp_path / "numbers.json"
    options = ("metrics=[fid,kid,memorisation]", "count=96", "batch_size=32", "seed=5", "metrics.kid.subset_size=24")
    outcome = command(
        "evaluate", f"checkpoint={smoke}/checkpoints/last.ckpt", f"output={output}", "repeats=2", *options
    )
    assert outcome.code == 0, outcome.err
    report = json.loads(output.read_text())["metrics"]
    fid, kid = report["fid"], report["kid"]
    assert (fid["protocol"]["fake"], fid["protocol"]["generation_batch"], fid["protocol"]["seed"]) == (96, 100, 5)
    assert fid["protocol"]["repeats"] == 2 and fid["spread"] > 0
    low, high = fid["confidence_95"]
    assert (low + high) / 2 == pytest.approx(fid["value"]) and "confidence_95" in kid
    assert (high - low) / 2 == pytest.approx(12.706 * fid["spread"] / 2**0.5, rel=1e-4)  # t of one degree of freedom
    assert kid["protocol"]["subset_size"] == 24 and kid["protocol"]["features"] == "digits"
    assert "kid_digits" in outcome.out and " +- " in outcome.out
    with Image.open(tmp_path / "numbers_memorisation.png") as picture:
        assert picture.mode == "RGB"


def test_the_same_numbers_twice_and_in_other_feature_batches(command: Callable, smoke: Path, tmp_path: Path) -> None:
    keys = "metrics=[fid,kid,is,precision,recall,density,coverage,swd]"
    found = []
    for name, batch in (("first", 50), ("again", 50), ("other", 17)):
        output = tmp_path / f"{name}.json"
        options = [f"checkpoint={smoke}/checkpoints/last.ckpt", "count=96", f"features.batch_size={batch}"]
        outcome = command("evaluate", *options, keys, f"output={output}")
        assert outcome.code == 0, outcome.err
        metrics = json.loads(output.read_text())["metrics"]
        found.append({name: measured["value"] for name, measured in metrics.items()})
    assert len(found[0]) == 8 and found[0] == found[1]
    assert found[2] == pytest.approx(found[0], rel=1e-5)  # sums of float32 in another order


@pytest.mark.parametrize("pair", [("alike", "alike"), ("noise", "alike"), ("noise", "noise")])
def test_real_images_that_are_all_alike_or_the_generated_ones(command: Callable, tmp_path: Path, pair) -> None:
    noise = torch.randint(0, 256, (12, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for name, pictures in (("noise", noise), ("alike", noise[:1].expand(12, -1, -1, -1))):
        save_each(pictures, tmp_path / name)
    folders = [f"{key}={tmp_path / name}" for key, name in zip(("generated", "real"), pair, strict=True)]
    output = tmp_path / "found.json"
    outcome = command("evaluate", *folders, "features=digits", f"packs={tmp_path}/packs", f"output={output}")
    assert outcome.code == 0, outcome.err
    fid = json.loads(output.read_text())["metrics"]["fid"]
    assert (fid["value"] < 1e-9) == (pair[0] == pair[1]) and (fid["real_halves"] == 0) == (pair[1] == "alike")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["repeats=0"], "repeats=0 must be a whole number of at least 1"),
        (["resize=clean", "features=classifier"], "resize=clean is an option of Inception"),
        (["kid.subset_size=10"], "kid.subset_size is now metrics.kid.subset_size"),
        (["generated=FOLDER"], "type one of them"),
        (["split=test"], "split=test: data=digits has no splits"),
        (["real=FOLDER", "split=test"], "leave out split= and root="),
        (["metrics=[intra_class_fid]"], "intra_class_fid_digits needs a conditional generator"),
        (["metrics=[psnr]"], "psnr compares outputs with their true images, and this system has none"),
        (
            ["metrics=[swd]", "real={numbers}"],
            "the checkpoint's images are 32x32x1 and the real ones 8x8x1",
        ),
        (["metrics=[parzen]", "real={digits}"], "metrics=[parzen] compare training images with held-out"),
    ],
)
def test_combinations_that_cannot_be(
    command: Callable, smoke: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    for name, size in (("numbers", 8), ("digits", 32)):
        save_each(torch.zeros(5, 1, size, size, dtype=torch.uint8), tmp_path / name)
    options = [override.format(numbers=tmp_path / "numbers", digits=tmp_path / "digits") for override in overrides]
    outcome = command("evaluate", f"checkpoint={smoke}/checkpoints/last.ckpt", "count=96", *options)
    assert outcome.code == 1 and message in outcome.err and "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["checkpoint=nothing.ckpt"], "there is no checkpoint"),
        ([], "checkpoint is missing: type checkpoint=..."),
        (["checkpoint={smoke}/metrics.csv"], "cannot be read as a checkpoint"),
        (["checkpoint={smoke}/checkpoints/last.ckpt", "metrics=none"], "nothing to evaluate"),
        (["checkpoint={smoke}/checkpoints/last.ckpt", "device=cuda:7"], "device=cuda:7 is not there"),
        (["checkpoint={smoke}/checkpoints/last.ckpt", "metrics=[fidd]"], "metrics=fidd does not exist"),
    ],
)
def test_mistakes_are_told(command: Callable, smoke: Path, overrides: list[str], message: str) -> None:
    outcome = command("evaluate", *(override.format(smoke=smoke) for override in overrides))
    assert outcome.code == 1 and message in outcome.err and "Traceback" not in outcome.err


def test_one_generated_picture_is_refused_in_one_line(command: Callable, tmp_path: Path) -> None:
    save_each(torch.zeros(1, 1, 32, 32, dtype=torch.uint8), tmp_path / "one")
    save_each(torch.randint(0, 256, (8, 1, 32, 32), dtype=torch.uint8), tmp_path / "real")
    outcome = command("evaluate", f"generated={tmp_path}/one", f"real={tmp_path}/real", "metrics=swd")
    assert outcome.code == 1 and "one holds 1 image: metrics need two or more" in outcome.err


def test_several_checkpoints_are_measured_together(command: Callable, smoke: Path, tmp_path: Path) -> None:
    paths = [f"{smoke}/checkpoints/{name}.ckpt" for name in ("previous", "last")]
    outcome = command("evaluate", *paths, "metrics=[swd]", "count=64", f"output={tmp_path}/2024")
    assert outcome.code == 0, outcome.err
    report = json.loads((tmp_path / "2024").read_text())  # a file named as typed
    assert [each["checkpoint"] for each in report["checkpoints"]] == paths
    first, second = (each["metrics"]["swd"]["value"] for each in report["checkpoints"])
    assert report["all"]["swd"]["value"] == pytest.approx((first + second) / 2)
    assert report["all"]["swd"]["spread"] == pytest.approx(abs(first - second) / 2**0.5)
    assert all(path in outcome.out for path in paths)


def test_two_folders_are_compared_next_to_the_generated_one(command: Callable, tmp_path: Path) -> None:
    for name in ("my fakes (1)", "reals"):
        save_each(torch.randint(0, 256, (8, 1, 32, 32), dtype=torch.uint8), tmp_path / "made" / name)
    folders = (f"generated={tmp_path}/made/my fakes (1)", f"real={tmp_path}/made/reals")
    outcome = command("evaluate", *folders, "metrics=swd")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "made/my fakes (1)_evaluation.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]  # nothing in the working folder
    assert "cannot be written" in command("evaluate", *folders, f"output={tmp_path}/made/reals/000000.png/x").err
