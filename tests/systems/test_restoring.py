import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from torch import nn

from ganlab.errors import UserError
from ganlab.systems.checkpoint import Checkpoint
from ganlab.systems.clock import Clock
from ganlab.systems.restoring import load_callbacks, require_continuable
from ganlab.systems.stages import Unstaged

ADAM = partial(torch.optim.Adam, lr=1e-3)
SGD = partial(torch.optim.SGD, lr=1e-3)
KINDS: dict[str, Any] = {
    "adam": ADAM,
    "amsgrad": partial(ADAM, amsgrad=True),
    "rmsprop": torch.optim.RMSprop,
    "sgd": SGD,
    "momentum": partial(SGD, momentum=0.9),
}


class System:
    """One player after one step, as far as the checks look at it."""

    def __init__(self, optimizer: Callable[..., torch.optim.Optimizer]) -> None:
        network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(3, 1, bias=False))
        self.weights = list(network.parameters())
        self.players = {"generator": SimpleNamespace(optimizer=optimizer)}
        self.stages, self.clock = Unstaged(), Clock(["generator"])
        self.clock.tick(10)
        self.clock.steps["generator"] = 1
        self.optimizer = optimizer(self.weights)
        for weight in self.weights:
            weight.grad = torch.ones_like(weight)
        self.optimizer.step()

    def parameters_of(self, _: str) -> list[nn.Parameter]:
        return self.weights

    def state(self) -> dict[str, Any]:
        states = [copy.deepcopy(self.optimizer.state_dict())]
        return {"images_seen": 10, "state_dict": {}, "optimizer_states": states, "callbacks": {}}


def check(system: System, state: dict[str, Any]) -> None:
    require_continuable(Checkpoint(Path("last.ckpt"), state), system)  # type: ignore[arg-type]


@pytest.mark.parametrize("here", KINDS)
def test_only_the_state_of_the_same_optimiser_is_taken(here: str) -> None:
    for other, kind in KINDS.items():
        if here == other:
            check(System(KINDS[here]), System(kind).state())
        else:
            with pytest.raises(UserError, match="last.ckpt does not fit the optimiser of the generator: .* optimizer="):
                check(System(KINDS[here]), System(kind).state())


def test_another_rate_and_weights_without_gradients_are_no_other_optimiser() -> None:
    state = System(ADAM).state()
    del state["optimizer_states"][0]["state"][1]
    check(System(partial(torch.optim.Adam, lr=7.0, betas=(0.0, 0.9))), state)


def spoil(state: dict[str, Any], how: str) -> None:
    optimizer = state["optimizer_states"][0]
    moments = optimizer["state"][0]
    match how:
        case "clock":
            state["images_seen"] = 20
        case "none":
            state["optimizer_states"] = []
        case "empty":
            optimizer["state"] = {}
        case "no dict":
            state["optimizer_states"] = [None]
        case "groups":
            optimizer["param_groups"] *= 2
        case "weights":
            optimizer["param_groups"][0]["params"].pop()
        case "index":
            optimizer["state"][7] = moments
        case "shape":
            moments["exp_avg"] = torch.zeros(3)
        case "type":
            moments["exp_avg_sq"] = "much"
        case "step":
            moments["step"] = None
        case "state":
            optimizer["state"][0] = [1]
        case "finite":
            moments["exp_avg_sq"][0] = float("inf")


HOW = ["clock", "none", "empty", "no dict", "groups", "weights", "index", "shape", "type", "step", "state", "finite"]


@pytest.mark.parametrize("how", HOW)
def test_states_that_no_run_writes_are_refused_in_one_line(how: str) -> None:
    system = System(ADAM)
    state = system.state()
    spoil(state, how)
    with pytest.raises(UserError, match=r"^last\.ckpt "):
        check(system, state)


class Counter(L.Callback):
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.count = int(state_dict["count"])


def test_states_of_callbacks_are_checked_before_training() -> None:
    callback = Counter()
    load_callbacks(Checkpoint(Path("last.ckpt"), {"callbacks": {"Counter": {"count": 3}}}), [callback, L.Callback()])
    assert callback.count == 3
    wrong: Any
    for wrong in ({"count": "many"}, {"other": 1}, 5):
        with pytest.raises(UserError, match="last.ckpt is damaged: the state of Counter"):
            load_callbacks(Checkpoint(Path("last.ckpt"), {"callbacks": {"Counter": wrong}}), [callback])


CHANGES = [
    *({"images_seen": -1}, {"images_seen": 1.5}, {"minibatches": True}),
    *({"steps": {}}, {"steps": {"generator": -1}}, {"steps": None}, {"__class__": 1}),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_clock_takes_counters_alone(change: dict[str, Any]) -> None:
    clock = Clock(["generator"])
    with pytest.raises((ValueError, AttributeError)):
        clock.set_extra_state(clock.get_extra_state() | change)
    assert clock.get_extra_state() == Clock(["generator"]).get_extra_state()
