"""Exponential moving average of a network's weights, with a half-life in images."""

from copy import deepcopy

import torch
from torch import nn


class Average(nn.Module):
    """A copy of a network whose parameters follow the network's, smoothed; buffers are copied as they are.

    A past weight counts half after ``half_life`` images, or a twentieth of the images seen if that is less: then the
    average forgets the random start (as in StyleGAN2's training loop).
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        super().__init__()
        self.network, self.half_life = deepcopy(network).requires_grad_(False), half_life

    @torch.no_grad()
    def update(self, network: nn.Module, images: int, images_seen: int) -> None:
        """Follow ``network`` after ``images`` more images, ``images_seen`` in all."""
        half_life = min(self.half_life, max(images_seen, 1) / 20)
        theirs = 1 - 0.5 ** (images / half_life)
        # One kernel for all weights, which has no public name; tests/systems/test_averaging.py watches it.
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), theirs)
        if buffers := list(self.network.buffers()):
            torch._foreach_copy_(buffers, list(network.buffers()))
