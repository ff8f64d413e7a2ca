from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganlab.callbacks.metric_logger import MetricLogger
from ganlab.systems.clock import Clock


class Ledger:
    def __init__(self) -> None:
        self.entries: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.entries.append((step, metrics))


def play(metric_logger: MetricLogger, minibatches: int, system: Any = None) -> tuple[Ledger, Any]:
    ledger = Ledger()
    trainer = SimpleNamespace(loggers=[ledger])
    system = system or SimpleNamespace(clock=Clock(["generator"]), device=torch.device("cpu"))
    metric_logger.on_train_start(trainer, system)
    for _ in range(minibatches):
        system.clock.tick(10)
        outputs = {"loss/generator": torch.tensor(float(system.clock.minibatches))}
        if system.clock.minibatches % 2:
            outputs["generator/r1"] = torch.tensor(5.0)
        metric_logger.on_train_batch_end(trainer, system, outputs, None, 0)
    return ledger, system


def test_it_logs_the_means_of_an_interval() -> None:
    ledger, _ = play(MetricLogger(30), 7)
    assert [step for step, _ in ledger.entries] == [30, 60]
    assert [entry["loss/generator"] for _, entry in ledger.entries] == [2.0, 5.0]
    assert ledger.entries[0][1]["generator/r1"] == 5.0  # the mean over the steps that had the term
    assert ledger.entries[0][1]["images_seen"] == 30 and ledger.entries[0][1]["images/s"] > 0


def test_an_interval_may_be_interrupted() -> None:
    first = MetricLogger(30)
    _, system = play(first, 2)
    second = MetricLogger(30)
    state = first.state_dict()
    assert state == {
        "sums": {"loss/generator": 3.0, "generator/r1": 5.0},
        "counts": {"loss/generator": 2, "generator/r1": 1},
    }
    second.load_state_dict(state)
    assert all(isinstance(total, torch.Tensor) for total in second.sums.values())
    ledger, _ = play(second, 1, system)
    assert ledger.entries[0][1]["loss/generator"] == pytest.approx(2.0)


def test_a_meter_without_a_minibatch_has_nothing_to_fetch() -> None:
    assert MetricLogger(30).state_dict() == {"sums": {}, "counts": {}}
