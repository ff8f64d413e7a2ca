import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from full_disk import FullDisk
from ganlab.systems.checkpoint import read

RUN = ("debug=smoke", "logger=none", "metrics=[swd]", "max_images=192", "every.keep=64", "every.metrics=64")


@pytest.fixture(scope="module")
def straight() -> dict[str, Path]:
    """The folder of the run that never met a full disk, once it was made."""
    return {}


def logged(run: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "images/s"} for entry in entries]


def train(command: Callable, outputs: Path) -> Any:
    return command("train", *RUN, f"outputs={outputs}", "run=a")


def check(full_disk: FullDisk, command: Callable, tmp_path: Path, straight: dict[str, Path], point: int | None) -> int:
    """Fill the disk at a point of a run, look at what is left, and continue with room; return the points passed."""
    if not straight:
        straight["run"] = tmp_path.parent / "straight" / "a"
        assert train(command, straight["run"].parent).code == 0
    full_disk.fill(tmp_path, point)
    outcome = train(command, tmp_path)
    count, run = full_disk.count, tmp_path / "a"
    full_disk.make_room()
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert (outcome.code, len(errors)) in ((0, 0), (1, 1)) and "Traceback" not in outcome.err, outcome.err
    assert outcome.code == 0 or "No space left on device" in errors[0], outcome.err
    for path in (run / "checkpoints").glob("*.ckpt"):
        seen = read(path)["images_seen"]
        assert not (named := re.search(r"\d+", path.name)) or int(named[0]) == seen
    assert train(command, tmp_path).code == 0
    assert logged(run) == logged(straight["run"])
    for name in ("last.ckpt", "best.ckpt", "images_000000064.ckpt", "images_000000128.ckpt"):
        found, expected = (read(folder / "checkpoints" / name) for folder in (run, straight["run"]))
        assert found["images_seen"] == expected["images_seen"]
        for key, value in expected["state_dict"].items():
            assert not isinstance(value, torch.Tensor) or torch.equal(value, found["state_dict"][key])
    assert not list(run.rglob("*.tmp")) and not list(run.rglob("*.damaged-*"))
    return count


@pytest.mark.parametrize("point", [4, 60])
def test_a_run_on_a_disk_that_fills_up(full_disk, command, tmp_path, straight, point) -> None:
    check(full_disk, command, tmp_path, straight, point)


@pytest.mark.soak
def test_a_run_on_a_disk_that_fills_up_at_any_of_sixty_points(full_disk, command, tmp_path, straight) -> None:
    count = check(full_disk, command, tmp_path / "none", straight, None)
    for index in range(60):
        point = 1 + index * count // 60
        check(full_disk, command, tmp_path / str(point), straight, point)
