"""A network's layers with random weights: the untrained baseline of a probe."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganlab.networks.layers.blocks import initialize
from ganlab.networks.layers.style import BATCH_NORMS

ITERATIONS = 15  # of the power method, as PyTorch runs when spectral norm is added to a layer


def random_filters(network: nn.Module, seed: int, deviation: float = 0.02) -> nn.Module:
    """Return a copy of a network with random weights and no running averages, see `randomise`: figure 5's baseline."""
    copy = deepcopy(network).cpu()
    randomise(copy, seed, deviation)
    return copy.to(next(network.parameters()).device)


def randomise(network: nn.Module, seed: int, deviation: float = 0.02) -> None:
    """Draw weights from N(0, deviation) and gains from N(1, deviation), in place; biases become 0.

    Nothing trained is left: the tensors under spectral and weight norm and embeddings are drawn as well, and batch
    norms lose their running averages. On the CPU equal seeds give equal weights. The global generator is left as it is.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        initialize(network, deviation)
        for module in network.modules():
            if isinstance(module, BATCH_NORMS):
                module.reset_running_stats()
            elif parametrize.is_parametrized(module, "weight"):  # initialize() wrote into the computed weight
                set_parametrized(module, torch.empty_like(torch.as_tensor(module.weight)).normal_(0, deviation))
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0, deviation)


@torch.no_grad()
def set_parametrized(module: nn.Module, weight: Tensor) -> None:
    """Set the weight of a layer under spectral or weight norm, including the state of its power iteration."""
    module.weight = weight  # through the parametrization's right inverse
    parametrization: Any = module.parametrizations.weight  # type: ignore[union-attr]
    training = parametrization.training
    parametrization.train()
    for _ in range(ITERATIONS):  # each call brings spectral norm closer to the largest singular value
        parametrization()
    parametrization.train(training)
