"""The discriminator's features (paper sec. 5): the outputs of its layers, max-pooled to 4x4 and concatenated."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.images import Range, to_floats
from ganlab.networks.statistics import Averages, standing_averages
from ganlab.probes.layers import Layer, feature_layers, fixed_statistics, pick, recorded

SIDE = 4  # of the pooled feature maps
BATCH = 128  # the authors' batch size for batch-norm statistics


class PooledFeatures:
    """The outputs of chosen layers after their activations, max-pooled to ``side`` x ``side`` and concatenated.

    At 32x32 the authors' ImageNet discriminator gives 28,672 numbers (table 1) and their SVHN one 7,168 (table 2).
    Batch norm uses the averages over real images that ``freeze`` takes, as the authors' code does, or the running ones.

    The layers of the network, which is left as it is, are traced with one image (1, C, H, W) in ``value_range``.
    ``layers`` are names from `feature_layers`; None takes all, and an unknown one raises ``ValueError``. A conditional
    discriminator is given the same ``label`` with every image, because an image's own label would give the answer away.
    """

    def __init__(
        self,
        network: nn.Module,
        image: Tensor,
        value_range: Range = (-1.0, 1.0),
        *,
        layers: list[str] | None = None,
        label: int | None = None,
        side: int = SIDE,
    ) -> None:
        self.network, self.value_range, self.side, self.label = network, value_range, side, label
        self.device = image.device
        found = feature_layers(network, *with_label(image, label))
        chosen = {pick(found, name).name for name in layers} if layers is not None else {one.name for one in found}
        self.layers: list[Layer] = [layer for layer in found if layer.name in chosen]
        self.length = sum(one.channels * min(one.height, side) * min(one.width, side) for one in self.layers)
        self.averages: Averages | None = None

    def freeze(self, images: np.ndarray, batch_size: int = BATCH) -> None:
        """Fix batch norm's statistics: the mean over minibatches of their means and biased variances (authors' code).

        Takes one pass over the training images, uint8 (N, H, W, C), in which each layer normalises by its own
        minibatch. As in the authors' code, the last minibatch has the weight of any other even if it is smaller.
        """
        self.averages = real_averages(self.network, images, self.value_range, self.label, batch_size)

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 features (N, length) of images (N, C, H, W) in the network's range."""
        with fixed_statistics(self.network, self.averages), recorded(self.network, self.layers) as outputs:
            self.network(*with_label(images, self.label))
        return torch.cat([max_pooled(outputs[one.name], self.side).flatten(1) for one in self.layers], 1).float()

    def extract(self, images: np.ndarray, batch_size: int = BATCH, out: np.ndarray | None = None) -> np.ndarray:
        """Return float32 features (N, length) of a pack's images, uint8 (N, H, W, C).

        ``out`` is an array to fill, such as a ``numpy.memmap``: 50,000 images of 28,672 features take 5.7 GB.
        """
        features = np.empty((len(images), self.length), np.float32) if out is None else out
        start = 0
        for batch in float_batches(images, batch_size, self.value_range):
            features[start : start + len(batch)] = self(batch.to(self.device)).cpu().numpy()
            start += len(batch)
        return features


def real_averages(
    network: nn.Module, images: np.ndarray, value_range: Range, label: int | None = None, batch_size: int = BATCH
) -> Averages:
    """Return batch norm's statistics over real images uint8 (N, H, W, C), see `PooledFeatures.freeze`."""
    device = next(network.parameters()).device
    batches = (batch.to(device) for batch in float_batches(images, batch_size, value_range))
    return standing_averages(network, (with_label(batch, label) for batch in batches))


def with_label(images: Tensor, label: int | None) -> tuple[Tensor, ...]:
    """Return a network's inputs: images or latents (N, ...) and, unless it is None, the same label for all."""
    return (images,) if label is None else (images, torch.full((len(images),), label, device=images.device))


def float_batches(images: np.ndarray, size: int, value_range: Range) -> Iterator[Tensor]:
    """Yield uint8 (N, H, W, C) images as floats (n, C, H, W) in a range; the last batch may be smaller."""
    for start in range(0, len(images), size):
        yield to_floats(torch.from_numpy(np.array(images[start : start + size])), value_range)


def max_pooled(maps: Tensor, side: int) -> Tensor:
    """Max-pool feature maps (N, C, H, W) to ``side`` x ``side``; a smaller side is kept.

    A multiple of ``side`` is divided into equal squares, as in the paper, other sizes (6 to 4) into overlapping ones.
    """
    return functional.adaptive_max_pool2d(maps, (min(maps.shape[2], side), min(maps.shape[3], side)))
