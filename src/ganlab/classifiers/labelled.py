"""Labelled packs as training data of classifiers: factors with few values each."""

import zlib
from dataclasses import dataclass
from itertools import chain
from math import ceil, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError

UNSEEN = -1  # label of what a picture does not show; not trained on


@dataclass(frozen=True)
class Labelled:
    """A pack's images and labels as a classifier's examples.

    Packs have one class per image (``classes`` in the manifest), several labels (``labels`` with their values, or
    binary ``attributes``), or a label per channel (``channels``: the digits of the label, red first).
    """

    images: np.ndarray  # uint8 (N, H, W, C)
    labels: np.ndarray  # int64 (N, A), a column per factor, UNSEEN where the image does not show it
    factors: dict[str, int]  # number of values of each column, by name
    channelwise: bool  # whether factor k is the label of channel k; an example is then one channel, for one network

    @classmethod
    def of(cls, pack: Pack) -> "Labelled":
        """Read a pack's manifest and labels; ``UserError`` if there is nothing to learn."""
        source, labels, manifest = pack.manifest["source"], pack.labels, pack.manifest
        other = "type features=auto or features=inception"
        if labels is None:
            raise UserError(f"features=classifier learns from labels, and {source} has none: {other}")
        if channels := manifest.get("channels"):
            if len(channels) != pack.images.shape[3]:
                raise UserError(
                    f"features=classifier classifies each channel of {source} by itself, and data.channels="
                    f"{pack.images.shape[3]} has mixed them: type data.channels={len(channels)}, or {other}"
                )
            sizes = [len(values) for values in channels.values()]
            digits = np.stack(np.unravel_index(labels, sizes), axis=1)  # of the label, red first
            return cls(pack.images, digits, dict(zip(channels, sizes, strict=True)), True)
        columns = labels.reshape(len(labels), -1)
        factors = factors_of(manifest, columns)
        varied = {name: size for name, size in factors.items() if size > 1}
        if not varied:
            raise UserError(f"features=classifier needs two classes or more: {source} is all of one class; {other}")
        return cls(pack.images, columns[:, [size > 1 for size in factors.values()]], varied, False)

    @property
    def heads(self) -> list[int]:
        """Number of values of each output of the network for one example."""
        return [*self.factors.values()][:1] if self.channelwise else [*self.factors.values()]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an example."""
        _, height, width, channels = self.images.shape
        return (1 if self.channelwise else channels), height, width

    def __len__(self) -> int:
        return len(self.images) * (self.images.shape[3] if self.channelwise else 1)

    def batch(self, examples: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the images uint8 (B, C, H, W) and labels int64 (B, heads) of examples, given by number."""
        if self.channelwise:
            images, channels = np.divmod(examples, self.images.shape[3])
            pixels, labels = self.images[images, :, :, channels][:, None], self.labels[images, channels][:, None]
        else:
            pixels, labels = self.images[examples].transpose(0, 3, 1, 2), self.labels[examples]
        return torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(labels)

    def split(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of training examples and of the ``share`` held out, with equal pictures on one side."""
        examples = (image.transpose(2, 0, 1) if self.channelwise else [image] for image in self.images)
        sums = np.fromiter((zlib.crc32(one.tobytes()) for one in chain.from_iterable(examples)), np.uint32, len(self))
        different = np.unique(sums)  # of a digit in many stacks of MNIST, all are held out or none
        held_out = sums < different[ceil(share * (len(different) - 1))]
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def factors_of(manifest: dict[str, Any], labels: np.ndarray) -> dict[str, int]:
    """Return name and number of values of each column of labels (N, A), from the manifest if it names them."""
    if manifest.get("classes"):
        return {"class": len(manifest["classes"])}
    if named := manifest.get("labels"):
        return {name: len(values) for name, values in named.items()}
    names = manifest.get("attributes") or [f"label_{column}" for column in range(labels.shape[1])]
    return {name: int(labels[:, column].max()) + 1 for column, name in enumerate(names)}


def counted_factors(
    factors: dict[str, int], accuracy: dict[str, float], wanted: list[str] | None, least: float, most: int
) -> list[str]:
    """Return the factors in ``wanted`` (None: all) of accuracy ``least`` or more, whose combinations are counted."""
    if not isinstance(wanted, list | None):
        raise UserError(f"features.classifier.factors={wanted} is no list: type features.classifier.factors=[{wanted}]")
    for name in wanted or []:
        if name not in factors:
            raise UserError(f"features.classifier.factors names {name}, which is no label: take {', '.join(factors)}")
    counted: list[str] = []  # in their order, at most ``most`` combinations, except of the first alone
    for name in factors if wanted is None else wanted:
        if accuracy[name] >= least and (not counted or prod(factors[each] for each in [*counted, name]) <= most):
            counted.append(name)
    return counted
