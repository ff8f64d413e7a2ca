import csv
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganlab.callbacks.diagnostics import LOOK, Diagnostics, gradient_norms
from ganlab.errors import UserError
from ganlab.systems.clock import Clock

VALUES = {"wins": 0.995, "worse": 2.0, "swing": 0.25, "diversity": 0.3, "coverage": 0.5, "vanished": 0.01}


class Stage:
    """A trainer and a system as far as the callback looks at them; ``samples`` is what the generator draws."""

    def __init__(self, samples: torch.Tensor, **options: Any) -> None:
        self.samples, self.saved, self.logged = samples, 0, dict[str, float]()
        self.meter = SimpleNamespace(interval=10, latest={})
        logger = SimpleNamespace(log_metrics=lambda values, step: self.logged.update(values))
        self.trainer: Any = SimpleNamespace(world_size=1, is_global_zero=True, loggers=[logger])
        clock = Clock(["discriminator", "generator"])
        self.system: Any = SimpleNamespace(
            clock=clock, seed=0, players=["discriminator", "generator"], generation_batch=lambda *_: self.samples
        )
        checkpoints = SimpleNamespace(save=lambda *_: setattr(self, "saved", self.saved + 1))
        reals = torch.randint(0, 256, (LOOK, 1, 16, 16), generator=torch.Generator().manual_seed(1)).byte()
        given: dict[str, Any] = {"on_trouble": "warn", "warm_up": 0} | VALUES | options
        self.callback = Diagnostics(reals, 20, self.meter, None, checkpoints, **given)  # type: ignore[arg-type]

    def batch(self, **terms: float) -> None:
        """One minibatch of ten images, and what the meter says after it."""
        self.system.clock.tick(10)
        self.meter.latest = dict(terms)
        outputs = {name: torch.tensor(value) for name, value in terms.items()}
        self.callback.on_train_batch_end(self.trainer, self.system, outputs, None, 0)

    @property
    def names(self) -> list[str]:
        return [alarm["name"] for alarm in self.callback.tripped]


@pytest.fixture
def various() -> torch.Tensor:
    return torch.randint(0, 256, (LOOK, 1, 16, 16), generator=torch.Generator().manual_seed(2)).byte()


def test_a_healthy_course_trips_nothing_and_logs_its_signals(various):
    stage = Stage(various)
    stage.callback.on_train_start(stage.trainer, stage.system)
    for _ in range(12):
        stage.batch(**{"loss/generator": 1.0, "discriminator/accuracy": 0.8})
    assert stage.names == [] and stage.logged["diversity"] == pytest.approx(1.0, abs=0.05)


def test_equal_samples_are_mode_collapse_after_the_warm_up(various, capsys):
    stage = Stage(various[:1].repeat(LOOK, 1, 1, 1), warm_up=60)
    for number in range(1, 13):
        stage.batch(**{"loss/generator": 1.0})
        assert (stage.names == []) == (number < 6)
    assert stage.names == ["mode_collapse"] and stage.callback.tripped[0]["images_seen"] == 60  # once
    assert stage.logged["alarm/mode_collapse"] == 1.0
    assert "trouble at 60 images: mode collapse: samples differ from each other 0%" in capsys.readouterr().out


def test_samples_that_jump_to_and_fro_oscillate(various):
    stage = Stage(various)
    for number in range(24):
        stage.samples = various // 4 + (190 if number // 2 % 2 else 0)
        stage.batch(**{"loss/generator": 1.0})
    assert "oscillation" in stage.names


def test_a_perfect_discriminator_and_a_gradient_that_vanishes(various):
    stage = Stage(various)
    for number in range(8):
        stage.callback.gradients = {"gradient/generator": 1.0 if number == 0 else 1e-5}
        stage.batch(**{"loss/generator": 1.0, "discriminator/accuracy": 1.0})
    assert sorted(stage.names) == ["non_convergence", "vanishing_gradient"]


def test_what_is_not_finite_is_named_with_its_minibatch(various):
    stage = Stage(various, warm_up=1000)
    stage.batch(**{"loss/generator": 1.0, "discriminator/r1": 2.0})
    stage.batch(**{"loss/generator": 1.0, "discriminator/r1": float("nan")})
    assert stage.names == ["not_finite"]
    assert stage.callback.tripped[0]["sentence"].startswith("discriminator/r1 not finite since minibatch 2 ")


def test_stop_saves_and_ends_with_one_line(various):
    stage = Stage(various[:1].repeat(LOOK, 1, 1, 1), on_trouble="stop")
    with pytest.raises(UserError, match="stopped after 40 images: mode collapse: .*diagnostics.on_trouble=warn"):
        for _ in range(4):
            stage.batch(**{"loss/generator": 1.0})
    assert stage.saved == 1
    with pytest.raises(UserError, match="diagnostics.on_trouble=explode"):
        Stage(various, on_trouble="explode")


def test_its_state_survives_a_checkpoint(various, tmp_path):
    one, other = Stage(various), Stage(various)
    for stage in (one, other):
        for _ in range(5):
            stage.batch(**{"loss/generator": 1.0, "discriminator/accuracy": 1.0})
    torch.save(one.callback.state_dict(), tmp_path / "state")
    continued = Stage(various)
    continued.callback.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert continued.callback.history.keys() == other.callback.history.keys()
    assert continued.names == other.names == ["non_convergence"]


def test_gradient_norms_by_player_and_layer():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    norms = gradient_norms("generator", SimpleNamespace(networks={"generator": network}))  # type: ignore[arg-type]
    assert norms == pytest.approx(
        {"gradient/generator": 6.0, "gradient/generator/0": 4.0, "gradient/generator/1": 8**0.5}
    )


def test_a_run_logs_signals_and_its_summary_lists_alarms(command, tmp_path):
    outcome = command("train", "debug=smoke", "run=watched", "logger=none")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "outputs" / "watched"
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"diversity", "discriminator/accuracy", "discriminator/margin", "gradient/generator"} <= set(rows[0])
    assert any(0 <= float(row["discriminator/accuracy"] or -1) <= 1 for row in rows)
    assert json.loads((run / "summary.json").read_text())["alarms"] == []


def test_a_run_that_blows_up_stops_with_step_and_term(command):
    outcome = command(
        "train", "debug=smoke", "run=ruined", "logger=none", "metrics=none", "optimizer.lr=1e30", "optimizer=sgd",
        "diagnostics.on_trouble=stop",
    )  # fmt: skip
    assert outcome.code == 1
    assert "not finite since minibatch" in outcome.err or "training diverged" in outcome.err
