"""A network that predicts a number, such as the pose, from an image, trained on a pack that stores the truth."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganlab.classifiers.network import ImageClassifier
from ganlab.classifiers.training import HELD_OUT, Training, batches, one_cycle
from ganlab.data.batches import channels_first
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError

Regressor = Callable[[Tensor], Tensor]  # uint8 images (N, C, H, W) to values (N,)

BATCH = 500  # images per pass


class FactorRegressor:
    """Predicts one factor of a pack from images; ``correlation`` is that with the truth on ``held_out`` images."""

    def __init__(self, network: ImageClassifier) -> None:
        self.network = network
        self.correlation, self.held_out = float("nan"), 0

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return values (N,) of uint8 images (N, C, H, W)."""
        network = self.network
        return torch.cat([network.logits(network(part))[0][:, 0] for part in images.split(BATCH)])


def train_factor_regressor(pack: Pack, factor: str, training: Training) -> FactorRegressor:
    """Return a network that predicts a factor, trained by least squares on most of the pack's images.

    It has the classifier's layers and schedule and trains on the CPU; equal seeds give equal weights on one thread. The
    pack has ``factors`` (N, F), numbers of about -1..1 named in its manifest, as the procedural sets have; otherwise
    ``UserError``.
    """
    names = pack.manifest.get("factors") or []
    if factor not in names:
        known = f"choose from {', '.join(names)}" if names else "take data=portraits or data=scenes, which have factors"
        raise UserError(f"{pack.manifest['source']} has no factor {factor}: {known}")
    images, values = pack.images, pack.arrays["factors"][:, names.index(factor)]
    order = np.random.default_rng(training.seed).permutation(len(images))
    held_out, seen = np.split(order, [max(3, round(HELD_OUT * len(images)))])
    if len(seen) < training.batch_size:
        raise UserError(f"{len(seen)} images are too few to learn {factor} from: take {training.batch_size} or more")
    _, height, width, channels = images.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        network = ImageClassifier((channels, height, width), [1], training.width)
    steps = max(training.images // training.batch_size, 2)
    network.to(memory_format=torch.channels_last).train()

    def loss(chosen: np.ndarray) -> Tensor:
        found = network.logits(network(channels_first(images[chosen])))[0][:, 0]
        return F.mse_loss(found, torch.from_numpy(values[chosen]))

    one_cycle(
        network, training.learning_rate, steps, map(loss, batches(seen, training.batch_size, steps, training.seed))
    )
    regressor = FactorRegressor(network.eval().requires_grad_(False))
    held_out = np.sort(held_out)
    found = regressor(channels_first(images[held_out]))
    regressor.correlation = float(np.corrcoef(found.numpy(), values[held_out])[0, 1])
    regressor.held_out = len(held_out)
    return regressor
