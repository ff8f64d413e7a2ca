"""The supervised baseline of table 2: a classifier with the discriminator's layers, trained from scratch.

The paper (sec. 5.2): "a purely supervised CNN with the same architecture on the same data", the best of 64 trials of
random search (Bergstra and Bengio 2012) on the validation set. Its search space is not stated; ours is `Trial`.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.images import Range, to_floats
from ganlab.networks.statistics import sampling
from ganlab.probes.features import float_batches, real_averages
from ganlab.probes.random_weights import randomise

BATCH = 500  # images classified per pass


@dataclass(frozen=True)
class Trial:
    """Hyperparameters of one trial of the random search."""

    lr: float  # of Adam, log-uniform in 1e-4..1e-2
    beta1: float  # of Adam, 0.5 or 0.9
    weight_decay: float  # L2 term in the gradient, log-uniform in 1e-6..1e-2
    batch_size: int  # 32, 64 or 128
    dropout: float  # before the last layer, 0..0.7
    epochs: int  # 20..100 passes over the labelled images


def trials(count: int, seed: int) -> Iterator[Trial]:
    """Yield random trials; the first ones do not depend on the count."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        lr, decay = 10 ** rng.uniform(-4, -2), 10 ** rng.uniform(-6, -2)
        beta1, size = rng.choice([0.5, 0.9]), rng.choice([32, 64, 128])
        yield Trial(
            float(lr), float(beta1), float(decay), int(size), float(rng.uniform(0, 0.7)), int(rng.integers(20, 101))
        )


def classifier_like(discriminator: nn.Module, classes: int, seed: int) -> nn.Module:
    """Return a network of the same layers with random weights and ``classes`` outputs instead of one logit.

    The last layer has no spectral norm, which would bound the logits. A discriminator that does not end in a linear
    layer of one output raises ``ValueError``.
    """
    network = deepcopy(discriminator).cpu()
    linear = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear or linear[-1][1].out_features != 1:
        raise ValueError("the discriminator does not end in a linear layer of one logit: type table.trials=0")
    name, last = linear[-1]
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, nn.utils.skip_init(nn.Linear, last.in_features, classes))
    randomise(network, seed)
    return network


def train_supervised(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, trial: Trial, value_range: Range, seed: int
) -> Callable[[np.ndarray], Tensor]:
    """Train on uint8 images (N, H, W, C), with averages for batch norm; return a function from images to classes."""
    device = next(network.parameters()).device
    optimizer = torch.optim.Adam(
        network.parameters(), lr=trial.lr, betas=(trial.beta1, 0.999), weight_decay=trial.weight_decay
    )
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    rng, target = np.random.default_rng(seed), torch.from_numpy(labels).long()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.enable_grad():
        torch.manual_seed(seed)
        hook = last.register_forward_pre_hook(lambda _, given: functional.dropout(given[0], trial.dropout))
        network.train()
        for _ in range(trial.epochs):
            order = rng.permutation(len(images))
            for start in range(0, len(order) - 1, trial.batch_size):
                chosen = order[start : start + trial.batch_size]
                batch = to_floats(torch.from_numpy(images[chosen]), value_range).to(device)
                loss = functional.cross_entropy(network(batch), target[chosen].to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        hook.remove()
    averages = real_averages(network, images, value_range, batch_size=trial.batch_size)

    def classify(given: np.ndarray) -> Tensor:
        with sampling(network, "standing", averages):
            parts = float_batches(given, BATCH, value_range)
            return torch.cat([network(part.to(device)).argmax(dim=1).cpu() for part in parts])

    return classify
