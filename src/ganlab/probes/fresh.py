"""A network's layers with fresh weights: what it was before it had learned anything."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganlab.networks.layers.blocks import initialize
from ganlab.networks.layers.style import BATCH_NORMS

ITERATIONS = 15  # of the power method, as many as PyTorch takes when it puts spectral norm on a layer


def draw_anew(network: nn.Module, seed: int, deviation: float = 0.02) -> None:
    """Draw a network's weights from N(0, deviation) and its gains from N(1, deviation), in place; biases become 0.

    Nothing that was trained is left: what spectral and weight norm compute weights from is drawn anew, embeddings are,
    and batch norms forget their averages, so that new ones have to be taken.

    Args:
        network: a discriminator, on the CPU, where equal seeds give equal weights.
        seed: of all that is drawn; the global generator stays as it is.
        deviation: of weights and gains.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        initialize(network, deviation)
        for module in network.modules():
            if isinstance(module, BATCH_NORMS):
                module.reset_running_stats()
            elif parametrize.is_parametrized(module, "weight"):  # initialize() has drawn into what was computed
                set_computed(module, torch.empty_like(torch.as_tensor(module.weight)).normal_(0, deviation))
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0, deviation)


@torch.no_grad()
def set_computed(module: nn.Module, weight: Tensor) -> None:
    """Let a layer under spectral or weight norm compute its weight from this one, without a trace of the old."""
    module.weight = weight  # through the inverse of what computes it
    computing: Any = module.parametrizations.weight  # type: ignore[union-attr]
    training = computing.training
    computing.train()
    for _ in range(ITERATIONS):  # spectral norm comes nearer to the largest singular value whenever it computes
        computing()
    computing.train(training)
