"""What bounds a training step from below: its convolutions and matrix products alone, and the machine's matrix peak."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

PRODUCTS = ("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm")
KINDS = {  # parts of the names of PyTorch's operations; the first that fits
    "convolutions and matrix products": ("convolution", "mm", "conv"),
    "batch norm": ("batch_norm",),
    "Adam": ("adam", "addcmul", "addcdiv", "lerp"),
    "activations and losses": ("relu", "tanh", "sigmoid", "softplus", "cross_entropy"),
    "copies, fills and additions": ("copy", "clone", "cat", "fill", "zero", "empty", "add", "contiguous", "resize"),
}
SIDES = {"cpu": 2048, "cuda": 8192}  # of the matrices that the peak is measured with


class Recorded(TorchDispatchMode):
    """Keeps every convolution and matrix product that is called within it, both directions: function and shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Keep the call and make it."""
        if func.overloadpacket.__name__ in PRODUCTS:
            self.calls.append((func, tree_map(shape_of, args), tree_map(shape_of, kwargs or {})))
        return func(*args, **(kwargs or {}))


class Shape(tuple):
    """Size, strides, type and device of a tensor."""


def shape_of(value: Any) -> Any:
    """Return the shape of a tensor, and anything else as it is."""
    if isinstance(value, torch.Tensor):
        return Shape((tuple(value.shape), value.stride(), value.dtype, value.device))
    return value


def products_of(step: Callable[[], object]) -> Callable[[], None]:
    """Return a function that makes the convolutions and matrix products of one step, and nothing else.

    Operands are random, one for each distinct shape: the memory that they come from is as warm as it gets.
    """
    with Recorded() as recorded:
        step()
    made: dict[Any, torch.Tensor] = {}

    def operand(value: Any) -> Any:
        if not isinstance(value, Shape):
            return value
        if value not in made:
            size, stride, dtype, device = value
            made[value] = torch.empty_strided(size, stride, dtype=dtype, device=device).normal_()
        return made[value]

    # Shapes are tuples: mapped as leaves, not opened.
    def filled(tree: Any) -> Any:
        return tree_map(operand, tree, is_leaf=lambda value: isinstance(value, Shape))

    calls = [(func, filled(args), filled(kwargs)) for func, args, kwargs in recorded.calls]

    def alone() -> None:
        with torch.no_grad():
            for func, args, kwargs in calls:
                func(*args, **kwargs)

    return alone


def profile_of(step: Callable[[], object], device: torch.device, steps: int = 5) -> dict[str, float]:
    """Return the share of a step's time that each kind of operation takes by itself, most first."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    step()
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(steps):
            step()
        finish(device)
    shares = dict.fromkeys([*KINDS, "the rest"], 0.0)
    for event in profile.key_averages():
        if event.device_type != torch.autograd.DeviceType.CPU:
            continue  # a kernel, whose time its operation has already
        spent = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        kind = next((kind for kind, parts in KINDS.items() if any(part in event.key.lower() for part in parts)), None)
        shares[kind or "the rest"] += spent
    whole = sum(shares.values())
    return {kind: shares[kind] / whole for kind in sorted(shares, key=lambda kind: -shares[kind])}


def flops_of(step: Callable[[], object]) -> int:
    """Return the floating point operations of the convolutions and matrix products of one step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def matrix_peak(device: torch.device, dtype: torch.dtype, repeats: int = 5) -> Callable[[], float]:
    """Return a function that measures FLOP/s of the product of two large matrices."""
    side = SIDES.get(device.type, 2048)
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def measure() -> float:
        finish(device)
        began = time.perf_counter()
        for _ in range(repeats):
            left @ right
        finish(device)
        return repeats * 2 * side**3 / (time.perf_counter() - began)

    measure()
    return measure


def finish(device: torch.device) -> None:
    """Wait for all that a device has been given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
