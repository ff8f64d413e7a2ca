"""Checks that a checkpoint fits the system and the callbacks that continue from it, before anything is written."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.checkpoint import Checkpoint, non_finite
from ganlab.systems.stages import Unstaged

TRAINED = "type the optimizer= that it was trained with, or start from another checkpoint"


def require_continuable(start: Checkpoint, system: AdversarialSystem) -> None:
    """Check what Lightning loads later, the optimisers' states, and what was loaded.

    ``UserError`` for values that are not finite, another optimiser, or a state that no run writes.
    """
    path, state = start
    if system.clock.images_seen != state["images_seen"]:
        raise UserError(f"{path} is damaged: its clock is at {system.clock.images_seen}, not {state['images_seen']}")
    if broken := non_finite(state):
        raise UserError(f"{path} holds numbers that are not finite, in {broken[0]}: start from an earlier checkpoint")
    states = state["optimizer_states"]
    if len(states) != len(system.players):
        raise UserError(f"{path} holds {len(states)} optimisers, and here are {len(system.players)}: {TRAINED}")
    for name, found in zip(system.players, states, strict=True):
        if wrong := misfit(system, name, found):
            raise UserError(f"{path} does not fit the optimiser of the {name}: {wrong}; {TRAINED}")


def load_callbacks(start: Checkpoint, callbacks: Iterable[L.Callback]) -> None:
    """Load the callbacks' states, as Lightning will once more; ``UserError`` if one cannot be loaded."""
    for callback in callbacks:
        if found := start.state["callbacks"].get(callback.state_key):
            try:
                callback.load_state_dict(deepcopy(found))
            except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise UserError(f"{start.path} is damaged: the state of {callback.state_key} ({error!r})") from error


def misfit(system: AdversarialSystem, player: str, state: Any) -> str:
    """Return what is wrong with the state of a player's optimiser; empty if it fits."""
    weights, make = system.parameters_of(player), system.players[player].optimizer
    match state:
        case {"state": dict(held), "param_groups": [{"params": list(listed)}]} if len(listed) == len(weights):
            pass
        case _:
            return "it is not the state of so many weights"
    stepped = system.clock.steps[player] > 0 and isinstance(system.stages, Unstaged)  # stages drop moments
    if not held and stepped and (kept := example(make, 1)):
        return f"it lacks {', '.join(kept)}"
    examples = {dimensions: example(make, dimensions) for dimensions in {weight.dim() for weight in weights}}
    for index, found in held.items():
        if index not in listed:
            return f"it knows no weight {index}"
        weight = weights[listed.index(index)]
        kept = examples[weight.dim()]
        if not isinstance(found, dict) or found.keys() != kept.keys():
            return f"it keeps {', '.join(map(str, found)) or 'nothing'}, not {', '.join(kept) or 'nothing'}"
        for key, value in kept.items():
            whole = isinstance(value, Tensor) and value.dim() > 0
            if isinstance(value, Tensor) and not isinstance(found[key], Tensor):
                return f"its {key} is no tensor"
            if whole and found[key].shape != weight.shape:
                return f"its {key} has the shape {tuple(found[key].shape)}, and the weight {tuple(weight.shape)}"
    return ""


def example(make: Any, dimensions: int) -> Mapping[str, Any]:
    """Return what an optimiser keeps of a weight with so many dimensions, after a step."""
    weight = nn.Parameter(torch.zeros((2,) * dimensions))
    weight.grad = torch.zeros_like(weight)
    optimizer = make([weight])
    optimizer.step()
    return dict(optimizer.state[weight])
