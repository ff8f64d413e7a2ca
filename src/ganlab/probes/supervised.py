"""A discriminator's layout as a classifier from scratch, with random search: what few labels give without a GAN.

The paper's baseline of table 2 (sec. 5.2): "a purely supervised CNN with the same architecture on the same data", the
best of 64 trials of random search (Bergstra and Bengio 2012) on the validation set. What it searched over is not told.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.networks.statistics import sampling
from ganlab.probes.features import float_batches, real_averages
from ganlab.probes.fresh import draw_anew
from ganlab.systems.images import Range, to_floats

JUDGED = 500  # images judged together


@dataclass(frozen=True)
class Trial:
    """What one trial of the search is trained with.

    Attributes:
        lr: of Adam, 1e-4..1e-2, its logarithm even.
        beta1: of Adam, 0.5 or 0.9.
        weight_decay: L2 added to the gradient, 1e-6..1e-2, its logarithm even.
        batch_size: 32, 64 or 128.
        dropout: of the input of the last layer, 0..0.7.
        epochs: 20..100 passes over the labelled images.
    """

    lr: float
    beta1: float
    weight_decay: float
    batch_size: int
    dropout: float
    epochs: int


def trials(count: int, seed: int) -> Iterator[Trial]:
    """Yield random trials; the first ones are the same for any count."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        lr, decay = 10 ** rng.uniform(-4, -2), 10 ** rng.uniform(-6, -2)
        beta1, size = rng.choice([0.5, 0.9]), rng.choice([32, 64, 128])
        yield Trial(
            float(lr), float(beta1), float(decay), int(size), float(rng.uniform(0, 0.7)), int(rng.integers(20, 101))
        )


def classifier_like(discriminator: nn.Module, classes: int, seed: int) -> nn.Module:
    """Return a network of the same layers with fresh weights and ``classes`` outputs in the place of the one logit.

    The last layer is a plain one: spectral norm would bound the classes' scores.

    Raises:
        ValueError: its last layer is not a linear one of one output.
    """
    network = deepcopy(discriminator).cpu()
    linear = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear or linear[-1][1].out_features != 1:
        raise ValueError("the discriminator does not end in a linear layer of one logit: type table.trials=0")
    name, last = linear[-1]
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, nn.utils.skip_init(nn.Linear, last.in_features, classes))
    draw_anew(network, seed)
    return network


def train_supervised(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, trial: Trial, value_range: Range, seed: int
) -> Callable[[np.ndarray], Tensor]:
    """Train a classifier on labelled images uint8 (N, H, W, C); returns a function from images to classes (n,).

    Batch norm uses, after training, averages over the training images.
    """
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
            parts = float_batches(given, JUDGED, value_range)
            return torch.cat([network(part.to(device)).argmax(dim=1).cpu() for part in parts])

    return classify
