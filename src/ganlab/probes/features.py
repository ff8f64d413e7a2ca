"""A discriminator's feature maps as a description of images (paper sec. 5): pooled to 4x4 and put end to end."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab.networks.statistics import Averages, sampling, standing_averages
from ganlab.probes.layers import Layer, feature_layers, pick, recorded
from ganlab.systems.images import Range, to_floats

SIDE = 4  # to which maps are pooled
BATCH = 128  # images, of which the authors take statistics


class PooledFeatures:
    """The maps of chosen layers, each after its activation, max-pooled to ``side`` x ``side`` and concatenated.

    At 32x32 the authors' ImageNet discriminator gives 28,672 numbers (table 1) and their SVHN one 7,168 (table 2).
    Batch norm uses averages that ``freeze`` takes of real images, as the authors' code does, or else the running ones.

    Args:
        network: a discriminator of any kind, on the device where it is to run; it is left as it is.
        image: one image as the network takes it, (1, C, H, W), from which the layers are found.
        value_range: of the images that the network takes.
        layers: names of the layers; None for all. ``feature_layers`` lists them.
        label: that a conditional discriminator is given with every image. One for all: an image's own label would tell
            a classifier upon the features the answer.
        side: maps that are smaller stay as they are.

    Raises:
        ValueError: no such layer, or a network without convolutions.

    Attributes:
        layers: those that are used, in the network's order.
        length: number of features of an image.
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
        self.length = sum(one.maps * min(one.height, side) * min(one.width, side) for one in self.layers)
        self.averages: Averages | None = None

    def freeze(self, images: np.ndarray, batch_size: int = BATCH) -> None:
        """Fix batch norm's statistics: means over minibatches of their means and biased variances (authors' code).

        One pass: each layer sees what the layer below makes of a batch with that batch's own statistics. As in the
        authors' code the last minibatch counts as much as any other though it may be smaller.

        Args:
            images: uint8 (N, H, W, C), the training set.
            batch_size: of the minibatches.
        """
        self.averages = real_averages(self.network, images, self.value_range, self.label, batch_size)

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 features (N, length) of images (N, C, H, W) in the network's range."""
        mode = "running" if self.averages is None else "standing"
        with sampling(self.network, mode, self.averages), recorded(self.network, self.layers) as maps:
            self.network(*with_label(images, self.label))
        return torch.cat([max_pooled(maps[one.name], self.side).flatten(1) for one in self.layers], 1).float()

    def extract(self, images: np.ndarray, batch_size: int = BATCH, out: np.ndarray | None = None) -> np.ndarray:
        """Return float32 features (N, length) of a pack's images.

        Args:
            images: uint8 (N, H, W, C).
            batch_size: images that pass together; statistics are fixed, so it changes nothing but memory.
            out: where to write them, such as a ``numpy.memmap``: 50,000 images of 28,672 features take 5.7 GB.
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
    """Return what a discriminator takes: images (N, ...) and, where it wants labels, the same one for all."""
    return (images,) if label is None else (images, torch.full((len(images),), label, device=images.device))


def float_batches(images: np.ndarray, size: int, value_range: Range) -> Iterator[Tensor]:
    """Yield uint8 (N, H, W, C) images as floats (n, C, H, W) in a range, the last batch perhaps smaller."""
    for start in range(0, len(images), size):
        yield to_floats(torch.from_numpy(np.array(images[start : start + size])), value_range)


def max_pooled(maps: Tensor, side: int) -> Tensor:
    """Max-pool maps (N, C, H, W) to ``side`` x ``side``; a side that is smaller already stays.

    A side that is a multiple is cut into equal squares, as in the paper; others (6 to 4) into overlapping ones.
    """
    return functional.adaptive_max_pool2d(maps, (min(maps.shape[2], side), min(maps.shape[3], side)))
