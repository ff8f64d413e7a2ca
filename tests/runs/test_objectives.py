"""Every objective, penalty, augmentation, preset and schedule from the command line, in published combinations."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

TINY = ("debug=smoke", "logger=none", "metrics=none", "data.image_size=16", "architecture.width=2", "max_images=96")
PLAIN = "architecture.discriminator.normalization=none"
RECIPES = {
    "WGAN": ("objective=wasserstein", "penalty=weight_clip", "optimizer=rmsprop", "update.d_steps=2"),
    "WGAN-GP": ("objective=wasserstein", "penalty=gradient_penalty", PLAIN, "optimizer=wgan_gp"),
    "DRAGAN": ("objective=minimax", "penalty=dragan", PLAIN, "optimizer=adam", "schedule=linear", "schedule.until=96"),
    "R3GAN": (
        *("objective=relativistic_pairing", "penalty=[r1,r2]", PLAIN, "architecture.initialization=he"),
        *("optimizer=r3gan", "schedule=cosine", "schedule.until=64", "schedule.floor=0.25", "ema.half_life=500"),
    ),
    "limited data": ("objective=hinge", "penalty=lecam", "augment=adaptive", "optimizer=ttur"),
    "hacks": (
        *("objective.targets.real=0.9", "objective.targets.noise=0.1", "objective.targets.flipped=0.05"),
        *("augment=[diffaugment,instance_noise]", "system.joint=true", "system.replay=40"),
        *("architecture.prior=spherical", "architecture.discriminator.minibatch=discrimination"),
    ),
    "the rest": (
        *("objective=relativistic_average", "penalty=zero_centred", "optimizer=sngan", "schedule=exponential"),
        *("schedule.half_life=50", "architecture.discriminator.minibatch=standard_deviation", "accumulate=2"),
    ),
    "least squares": ("objective=least_squares", "optimizer=sgd"),
}


def metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains(command: Callable, tmp_path: Path, name: str) -> None:
    outcome = command("train", *TINY, *RECIPES[name], f"outputs={tmp_path}", "run=r")
    assert outcome.code == 0, outcome.err
    assert "nan" not in (tmp_path / "r" / "metrics.csv").read_text()
    last = metrics(tmp_path / "r")[-1]
    if name == "WGAN":
        state = torch.load(tmp_path / "r/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        weights = [value for key, value in state.items() if "discriminator" in key and key.endswith(".weight")]
        assert max(weight.abs().max().item() for weight in weights) <= 0.01 + 1e-8
    if name == "R3GAN":
        assert float(last["lr/generator"]) == pytest.approx(2e-4 * 0.25)
        assert {"discriminator/r1", "discriminator/r2"} <= set(last)
    if name == "limited data":
        assert float(last["augment/p"]) >= 0 and "discriminator/lecam" in last


def test_a_new_run_from_a_checkpoint_may_have_other_ingredients(command: Callable, tmp_path: Path) -> None:
    first = ("penalty=lecam", "augment=adaptive", "system.replay=40", f"outputs={tmp_path}")
    assert command("train", *TINY, *first, "run=first").code == 0
    start = f"checkpoint={tmp_path}/first/checkpoints/last.ckpt"
    second = ("train", *TINY, "penalty=r1", "augment=instance_noise", f"outputs={tmp_path}", "run=second", start)
    outcome = command(*second, "max_images=160")
    assert outcome.code == 0, outcome.err
    assert metrics(tmp_path / "second")[-1]["images_seen"] == "160"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["objective.targets.real=1.2"], "objective.targets.real=1.2 must be a number from 0 to 1"),
        (["penalty=gradient_penalty", "penalty.gradient_penalty.interval=0"], "interval=0 must be a whole number"),
        (["schedule=cosine"], "schedule.until is missing: type schedule.until=..."),
        (["schedule=linear", "schedule.until=100", "schedule.start=100"], "must be after schedule.start=100"),
        (["system.replay=-1"], "system.replay=-1 must be a whole number of at least 0"),
        (["system.joint=1"], "system.joint=1 must be true or false"),
        (["architecture.initialization=zeros"], "initialization 'zeros' does not exist"),
        (["architecture.discriminator.minibatch=all"], "minibatch 'all' does not exist"),
    ],
)
def test_mistakes_are_one_line(command: Callable, tmp_path: Path, overrides: list[str], message: str) -> None:
    outcome = command("train", *TINY, *overrides, f"outputs={tmp_path}", "run=r")
    assert outcome.code == 1 and message in outcome.err and outcome.err.count("\n") == 1
    assert not (tmp_path / "r" / "config.yaml").exists()
