"""Runs of five families: previewed, evaluated, continued bit for bit, and trained on two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

SCRIPT = Path(__file__).with_name("family_runs.py")
FAMILIES = ["pix2pix", "context_encoder", "cycle_of_two", "cycle_of_four", "growing"]
ON_TWO = [name for name in FAMILIES if name != "cycle_of_four"]  # families that are trained on two processes as well
LENGTH = {"growing": 120}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The folders of all runs, by the number of processes that trained them."""
    folders = {count: tmp_path_factory.mktemp(f"families{count}") for count in (1, 2)}
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2] / "src")}
    started = [
        subprocess.Popen([sys.executable, SCRIPT, str(n), folder], env=environment, stderr=subprocess.PIPE, text=True)
        for n, folder in folders.items()
    ]
    for run in started:
        _, errors = run.communicate(timeout=300)
        assert run.returncode == 0, errors
    return folders


def state(run: Path) -> dict[str, Any]:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["images_seen"] == LENGTH.get(run.name.split("-")[0], 48)
    return checkpoint["state_dict"] | {f"optimizer {n}": o for n, o in enumerate(checkpoint["optimizer_states"])}


def flat(values: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return {prefix: values}
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return {key: tensor for name, value in items for key, tensor in flat(value, f"{prefix}.{name}").items()}


@pytest.mark.parametrize(("name", "processes"), [*((name, 1) for name in FAMILIES), *((name, 2) for name in ON_TWO)])
def test_a_run_in_two_halves_equals_one_run(runs: dict[int, Path], name: str, processes: int) -> None:
    straight, halves = (flat(state(runs[processes] / f"{name}-{form}")) for form in ("straight", "halves"))
    assert straight.keys() == halves.keys() and any("exp_avg" in key for key in straight)
    assert all(torch.equal(value, halves[key]) for key, value in straight.items())
    if "cycle" in name:
        pools = [value for key, value in straight.items() if "pool" in key]
        assert [len(pool) for pool in pools] == [10, 10]


def test_a_run_that_stopped_where_a_stage_begins_equals_one_run(runs: dict[int, Path]) -> None:
    straight, halves = (flat(state(runs[1] / f"growing-{form}")) for form in ("straight", "boundary"))
    assert all(torch.equal(value, halves[key]) for key, value in straight.items())


@pytest.mark.parametrize("name", ON_TWO)
def test_two_processes_equal_one(runs: dict[int, Path], name: str) -> None:
    two = "two" if "cycle" in name else "straight"
    one, other = (flat(state(runs[count] / f"{name}-{form}")) for count, form in ((1, "one"), (2, two)))
    assert any(key.startswith(".averages.") for key in one)
    for key, value in one.items():
        torch.testing.assert_close(value, other[key], rtol=0, atol=1e-4)  # a rate of 0.1


def test_previews_stand_next_to_inputs_and_truths(runs: dict[int, Path]) -> None:
    def sizes(name: str) -> dict[str, tuple[int, int]]:
        folder = runs[1] / f"{name}-straight" / "samples"
        return {path.name: np.asarray(Image.open(path)).shape[:2] for path in sorted(folder.iterdir())}

    assert sizes("pix2pix")["images_000000048.png"] == (4 * 18 + 2, 4 * 50 + 2)  # 16 of input | output | truth
    assert sizes("cycle_of_two").keys() == {
        f"{name}_{seen:09d}.png" for name in ("a_to_b", "b_to_a") for seen in (0, 48)
    } | {"reals.png"}
    assert sizes("context_encoder")["images_000000048.png"] == (4 * 18 + 2, 4 * 50 + 2)
    assert sizes("cycle_of_four")["b_to_a_000000048.png"] == (4 * 18 + 2, 4 * 50 + 2)  # input | output | input again
    assert sizes("growing")["images_000000120.png"] == (8 * 18 + 2, 8 * 18 + 2)


def summary(run: Path) -> dict[str, Any]:
    return json.loads((run / "summary.json").read_text())


def test_each_task_is_measured_against_its_own_truth(runs: dict[int, Path]) -> None:
    pix2pix, cycle = (summary(runs[1] / f"{name}-straight") for name in ("pix2pix", "cycle_of_four"))
    assert pix2pix["metrics"].keys() == {"swd", "l1"} and 0 < pix2pix["metrics"]["l1"] < 0.5
    hole = summary(runs[1] / "context_encoder-straight")
    assert hole["metrics"].keys() == {"swd", "l1"} and 0 < hole["metrics"]["l1"] < pix2pix["metrics"]["l1"] / 2
    assert pix2pix["protocol"]["l1"].items() >= {"batch_norm": "none", "dropout": True, "ema": True}.items()
    assert cycle["metrics"].keys() == {"swd/a_to_b", "swd/b_to_a"}
    assert len(set(cycle["metrics"].values())) == 2
    assert cycle["protocol"]["swd/a_to_b"]["pack"] != cycle["protocol"]["swd/b_to_a"]["pack"]
    assert summary(runs[1] / "growing-straight")["metrics"].keys() == {"swd"}


@pytest.mark.parametrize("name", ON_TWO)
def test_a_run_in_two_halves_and_two_processes_measure_the_same(runs: dict[int, Path], name: str) -> None:
    for folder in runs.values():
        assert summary(folder / f"{name}-halves")["metrics"] == summary(folder / f"{name}-straight")["metrics"]
    two = "two" if "cycle" in name else "straight"
    one, other = summary(runs[1] / f"{name}-one")["metrics"], summary(runs[2] / f"{name}-{two}")["metrics"]
    assert one == {key: pytest.approx(value, rel=0.02) for key, value in other.items()}  # bytes are rounded
