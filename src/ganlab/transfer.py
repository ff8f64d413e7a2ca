"""Asynchronous copies to a device."""

import torch
from torch import Tensor

Batch = dict[str, Tensor]  # named tensors (N, ...) that belong together


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy values to a device; from pinned memory, since a copy from pageable memory waits for the GPU's work."""
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
