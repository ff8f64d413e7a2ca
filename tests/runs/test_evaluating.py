import json
from collections.abc import Callable
from pathlib import Path

import pytest


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
