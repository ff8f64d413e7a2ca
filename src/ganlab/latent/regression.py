"""A network that reads a number, such as the pose, off an image: trained on a pack that knows the truth."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ganlab.classifiers.network import ImageClassifier
from ganlab.classifiers.training import HELD_OUT, WEIGHT_DECAY, Training, batches
from ganlab.data.batches import channels_first
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError

Read = Callable[[Tensor], Tensor]  # uint8 images (N, C, H, W) to values (N,)

READ = 500  # images read together


class FactorReader:
    """Reads one factor of a pack off images.

    Attributes:
        correlation: with the truth, on the images held out.
        held_out: how many these are.
    """

    def __init__(self, network: ImageClassifier) -> None:
        self.network = network
        self.correlation, self.held_out = float("nan"), 0

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return values (N,) of uint8 images (N, C, H, W)."""
        network = self.network
        return torch.cat([network.logits(network(part))[0][:, 0] for part in images.split(READ)])


def train_reader(pack: Pack, factor: str, training: Training) -> FactorReader:
    """Return a network that reads a factor, trained by least squares on most of the pack's images.

    On the CPU; equal seeds give equal weights in one thread. Its network and schedule are the classifier's.

    Args:
        pack: with ``factors`` (N, F), numbers of about -1..1, named in its manifest, as the procedural sets have.
        factor: name of one.
        training: how.

    Raises:
        UserError: the pack knows no such factor, or has too few images.
    """
    names = pack.manifest.get("factors") or []
    if factor not in names:
        known = f"it knows {', '.join(names)}" if names else "it knows none: take data=portraits or data=scenes"
        raise UserError(f"{pack.manifest['source']} does not know the factor {factor}: {known}")
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
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=training.learning_rate, total_steps=steps)
    network.to(memory_format=torch.channels_last).train()
    with torch.enable_grad():
        for chosen in batches(seen, training.batch_size, steps, training.seed):
            found = network.logits(network(channels_first(images[chosen])))[0][:, 0]
            loss = F.mse_loss(found, torch.from_numpy(values[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    reader = FactorReader(network.eval().requires_grad_(False))
    held_out = np.sort(held_out)
    found = reader(channels_first(images[held_out]))
    reader.correlation = float(np.corrcoef(found.numpy(), values[held_out])[0, 1])
    reader.held_out = len(held_out)
    return reader
