"""State of optimisers that was loaded from a checkpoint."""

import torch
from torch import Tensor
from torch.optim import Optimizer


def apply_configuration(optimizer: Optimizer) -> None:
    """Let an optimiser's own hyper-parameters, device and memory format prevail over those that were loaded."""
    for group in optimizer.param_groups:
        group.update(optimizer.defaults)
        for parameter in group["params"]:  # a fused kernel counts its steps on the device, others on the CPU
            state = optimizer.state.get(parameter, {})
            if isinstance(step := state.get("step"), Tensor):
                state["step"] = step.to(parameter.device if group.get("fused") else "cpu")
            moments = {name: value for name, value in state.items() if isinstance(value, Tensor)}
            for name, value in moments.items():  # a fused kernel takes them to lie as their weights do
                if value.shape == parameter.shape and value.stride() != parameter.stride():
                    state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
