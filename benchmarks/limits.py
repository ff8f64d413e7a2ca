"""What bounds a training step from below: its convolutions and matrix products alone, and the machine's matrix peak."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

PRODUCTS = ("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm")
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
