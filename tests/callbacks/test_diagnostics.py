import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from ganlab.callbacks.diagnostics import Diagnostics, gradient_norms
from ganlab.callbacks.sample_statistics import SampleStatistics
from ganlab.errors import UserError
from ganlab.systems.clock import Clock
from ganlab.systems.request import Request
from ganlab.systems.update import Player

CONF = Path(__file__).parents[2] / "conf" / "diagnostics" / "default.yaml"
VALUES: dict[str, Any] = yaml.safe_load(CONF.read_text())


LOOK = 128
PLAYERS = {"discriminator": "discriminator", "generator": "generator"}  # roles by name


class Stage:
    """A trainer and a system as far as the callback looks at them; ``samples`` is what the system responds."""

    def __init__(
        self, samples: torch.Tensor, roles: dict[str, str] = PLAYERS, tasks: tuple[str, ...] = ("",), **options: Any
    ) -> None:
        self.samples, self.saved, self.logged, self.ruined = samples, 0, dict[str, float](), False
        self.metric_logger = SimpleNamespace(interval=10, latest={})
        logger = SimpleNamespace(log_metrics=lambda values, step: self.logged.update(values))
        self.trainer: Any = SimpleNamespace(world_size=1, is_global_zero=True, loggers=[logger])
        self.system: Any = SimpleNamespace(
            clock=Clock(list(roles)),
            seed=0,
            players={name: Player((f"{name}_net",), torch.optim.Adam, role) for name, role in roles.items()},
            respond=lambda *_: self.samples,
        )
        self.evaluations = SimpleNamespace(
            measured=-1, latest={}, evaluator=SimpleNamespace(features=None, score_name="swd", score_rises=False)
        )
        checkpoints = SimpleNamespace(save=self.save)
        reals = torch.randint(0, 256, (LOOK, 1, 16, 16), generator=torch.Generator().manual_seed(1)).byte()
        given = VALUES | {"warm_up": 0} | options
        looks = [SampleStatistics(reals, Request.first(LOOK), task) for task in tasks]
        self.callback = Diagnostics(looks, 20, self.metric_logger, self.evaluations, checkpoints, **given)  # type: ignore[arg-type]

    def save(self, *_: object) -> None:
        if self.ruined:
            raise UserError("training diverged")
        self.saved += 1

    def batch(self, score: float | None = None, **terms: float) -> None:
        """One minibatch of ten images, and what the logger and a measurement report after it."""
        self.system.clock.tick(10)
        for player in self.system.players:
            self.system.clock.steps[player] += 1
        self.metric_logger.latest = dict(terms)
        if score is not None:
            self.evaluations.measured, self.evaluations.latest = self.system.clock.images_seen, {"swd": score}
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


def test_equal_samples_are_mode_collapse_from_two_looks_after_the_warm_up(various, capsys):
    stage = Stage(various[:1].repeat(LOOK, 1, 1, 1), warm_up=5)
    for number in range(1, 13):
        stage.batch(**{"loss/generator": 1.0})
        assert (stage.names == []) == (number < 8)  # looks at 20, 40, 60, 80 images, of which two are late enough
    assert stage.names == ["mode_collapse"] and stage.callback.tripped[0]["images_seen"] == 80  # once
    assert stage.logged["alarm/mode_collapse"] == 1.0
    assert "trouble at 80 images: mode collapse: samples differ from each other 0%" in capsys.readouterr().out


def test_samples_that_jump_to_and_fro_oscillate(various):
    stage = Stage(various)
    for number in range(24):
        stage.samples = various // 4 + (190 if number // 2 % 2 else 0)
        stage.batch(**{"loss/generator": 1.0})
    assert "oscillation" in stage.names


def test_a_slope_that_vanishes_and_a_score_that_falls_back(various):
    stage = Stage(various)
    for score in (40.0, 10.0, 30.0, 30.0):
        stage.batch(score, **{"loss/generator": 1.0, "generator/slope": 1e-3, "discriminator/accuracy": 1.0})
    assert stage.names == ["vanishing_gradient", "non_convergence"]
    assert "swd is 30 and was 10 before; the discriminator ranks 100.0%" in stage.callback.tripped[1]["sentence"]


def test_what_is_not_finite_is_named_with_its_minibatch(various):
    stage = Stage(various, warm_up=1000)
    stage.batch(**{"loss/generator": 1.0, "discriminator/r1": 2.0})
    stage.batch(**{"loss/generator": 1.0, "discriminator/r1": float("nan")})
    assert stage.names == ["not_finite"]
    assert stage.callback.tripped[0]["sentence"].startswith("discriminator/r1 not finite since minibatch 2 ")


def test_the_ranks_exchange_all_sentences_of_a_moment_at_once(various):
    stage, sent = Stage(various), list[dict[str, str | None]]()

    def broadcast(sentences):
        sent.append(sentences)
        return sentences | {"oscillation": "oscillation: says rank 0"} if len(sent) == 2 else sentences

    stage.trainer.world_size, stage.trainer.strategy = 2, SimpleNamespace(broadcast=broadcast)
    stage.batch(40.0, **{"loss/generator": 1.0})  # a log and a score
    stage.batch(40.0, **{"loss/generator": 1.0})  # and a look
    assert [list(each) for each in sent] == [
        ["not_finite", "vanishing_gradient", "non_convergence"],
        ["mode_collapse", "oscillation", "not_finite", "vanishing_gradient", "non_convergence"],
    ]
    assert stage.names == ["oscillation"]


def test_stop_names_all_the_trouble_of_a_moment(various):
    stage = Stage(various[:1].repeat(LOOK, 1, 1, 1), on_trouble="stop")
    stage.callback.history["slope"] = [1e-3] * 3
    with pytest.raises(UserError, match="stopped after 10 images: loss/generator not finite .*; vanishing gradient: "):
        stage.batch(**{"loss/generator": float("nan"), "generator/slope": 1e-3})
    assert stage.names == ["not_finite", "vanishing_gradient"] and stage.saved == 1


@pytest.mark.parametrize("ruined", [False, True])
def test_stop_ends_with_one_line_and_saves_what_is_worth_saving(various, ruined):
    stage = Stage(various[:1].repeat(LOOK, 1, 1, 1), on_trouble="stop")
    stage.ruined = ruined
    with pytest.raises(UserError, match="stopped after 40 images: mode collapse: .*diagnostics.on_trouble=warn"):
        for _ in range(4):
            stage.batch(**{"loss/generator": 1.0})
    assert stage.saved == (0 if ruined else 1)


def test_an_unknown_answer_to_trouble_is_refused(various):
    with pytest.raises(ValueError, match="on_trouble=explode must be warn or stop"):
        Stage(various, on_trouble="explode")


def test_what_was_due_when_a_run_was_stopped_is_taken_up_from_its_checkpoint(various, tmp_path):
    def play(stage: Stage, batches: int) -> None:
        for _ in range(batches):
            stage.batch(50.0, **{"loss/generator": 1.0, "generator/slope": 0.5})

    straight, stopped, continued = Stage(various), Stage(various), Stage(various)
    play(straight, 7)
    play(stopped, 5)
    stopped.system.clock.tick(10)  # saved while the sixth minibatch's score was measured, before this callback's turn
    stopped.system.clock.steps["generator"] += 1
    torch.save((stopped.callback.state_dict(), stopped.system.clock.state_dict()), tmp_path / "state")
    state, clock = torch.load(tmp_path / "state", weights_only=True)
    continued.callback.load_state_dict(state)
    continued.system.clock.load_state_dict(clock)
    continued.metric_logger.latest = {"generator/slope": 0.5}
    continued.evaluations.measured, continued.evaluations.latest = 60, {"swd": 50.0}
    continued.callback.on_train_start(continued.trainer, continued.system)
    play(continued, 1)
    for name, values in straight.callback.history.items():
        assert [str(value) for value in continued.callback.history[name]] == [str(value) for value in values], name
    assert continued.callback.watched == straight.callback.watched == 70


def test_samples_of_a_class_are_compared_with_each_other():
    labels = torch.arange(LOOK) % 2
    reals = torch.randint(0, 256, (LOOK, 1, 16, 16), generator=torch.Generator().manual_seed(1)).byte()
    looks = SampleStatistics(reals, Request.first(LOOK, labels=labels))
    assert looks.request.labels is not None and looks.request.labels.tolist() == [0] * (LOOK // 2) + [1] * (LOOK // 2)
    assert torch.equal(looks.reals[1], reals[2]) and torch.equal(looks.request.indices, torch.arange(LOOK))


def test_players_of_any_name_and_every_task_are_watched(various):
    roles = {"both_generators": "generator", "d_a": "discriminator", "d_b": "discriminator"}
    stage = Stage(various[:1].repeat(LOOK, 1, 1, 1), roles, ("a_to_b", "b_to_a"))
    for score in (40.0, 10.0, 30.0, 30.0):
        terms = {"both_generators/slope": 1e-3, "d_a/accuracy": 0.6, "d_b_net/accuracy": 1.0}  # by player, by network
        stage.batch(score, **terms)
    assert stage.names == ["vanishing_gradient", "mode_collapse/a_to_b", "mode_collapse/b_to_a", "non_convergence"]
    assert stage.logged["diversity/a_to_b"] == stage.logged["diversity/b_to_a"] == pytest.approx(0, abs=1e-6)
    assert "the discriminator ranks 100.0%" in stage.callback.tripped[-1]["sentence"]


def test_negatives_of_inputs_are_noticed_where_there_is_a_cycle(various):
    stage = Stage(255 - various[:1].repeat(LOOK, 1, 1, 1), tasks=("a_to_b",))
    (looks,) = stage.callback.samples
    looks.request = Request.first(LOOK, inputs=various[:1].repeat(LOOK, 1, 1, 1))
    for terms in (3 * [{"generator/l1": 1.0}], 2 * [{"generator/cycle/a": 1.0}]):
        assert "inversion/a_to_b" not in stage.names
        for each in terms:
            stage.batch(**each)
            stage.batch(**each)
    assert "inversion/a_to_b" in stage.names and stage.logged["correlation/a_to_b"] == pytest.approx(-1.0)


def test_gradient_norms_by_player_and_layer():
    networks = {name: torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)) for name in ("one", "other")}
    for parameter in (*networks["one"].parameters(), *networks["other"].parameters()):
        parameter.grad = torch.full_like(parameter, 2.0)
    players = {"g": SimpleNamespace(networks=("one",)), "both": SimpleNamespace(networks=("one", "other"))}
    system: Any = SimpleNamespace(networks=networks, players=players)
    assert gradient_norms("g", system) == pytest.approx(
        {"gradient/g": 6.0, "gradient/g/0": 4.0, "gradient/g/1": 8**0.5}
    )
    norms = gradient_norms("both", system)
    assert norms["gradient/both"] == pytest.approx(72**0.5)
    assert norms["gradient/both/other/1"] == pytest.approx(8**0.5) and len(norms) == 5


def test_a_run_logs_signals_and_its_summary_lists_alarms(command, tmp_path):
    outcome = command("train", "debug=smoke", "run=watched", "logger=none")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "outputs" / "watched"
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {
        "diversity",
        "discriminator/accuracy",
        "discriminator/margin",
        "gradient/generator",
        "generator/slope",
    } <= set(rows[0])
    assert any(0 <= float(row["discriminator/accuracy"] or -1) <= 1 for row in rows)
    assert json.loads((run / "summary.json").read_text())["alarms"] == []


def test_a_run_that_blows_up_stops_with_step_and_term(command):
    outcome = command(
        "train", "debug=smoke", "run=ruined", "logger=none", "metrics=none", "optimizer=sgd", "optimizer.lr=1e30",
        "diagnostics.on_trouble=stop",
    )  # fmt: skip
    assert outcome.code == 1 and "not finite since minibatch" in outcome.err
