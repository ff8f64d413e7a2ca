"""Copies from the CPU to a device that wait for nothing."""

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device) -> Tensor:
    """Return values on a device; a copy to a GPU queues behind its work, while pageable memory would wait for it."""
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
