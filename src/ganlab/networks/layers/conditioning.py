"""Class labels in networks: appended one-hot channels and conditional batch norm."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def check_classes(classes: int | None) -> int:
    """Return the number of classes of a conditional network; a ValueError if there are none."""
    if not classes:
        raise ValueError(
            f"data.num_classes={'null' if classes is None else classes}, and a conditional network needs labelled "
            f"data: type data.num_classes=N for data with labels, or an unconditional architecture such as dcgan"
        )
    return classes


def append(values: Tensor, one_hot: Tensor) -> Tensor:
    """Append one-hot labels (N, classes) to features (N, F), or as constant channels to feature maps (N, C, H, W)."""
    one_hot = one_hot.to(values.dtype)
    if values.dim() == 4:
        one_hot = one_hot[:, :, None, None].expand(-1, -1, *values.shape[2:])
    return torch.cat([values, one_hot], 1)


def apply_with_labels(layers: Iterable[nn.Module], values: Tensor, one_hot: Tensor) -> Tensor:
    """Apply layers in turn, each to the output of the one before with one-hot labels (N, classes) appended.

    Mirza and Osindero 2014 append labels to the input; the DCGAN authors' MNIST code to every hidden layer as well.
    """
    for layer in layers:
        values = layer(append(values, one_hot))
    return values


class ConditionalBatchNorm(nn.Module):
    """Batch norm with a gain and a bias per class and channel (Dumoulin et al. 2017; Miyato and Koyama 2018)."""

    def __init__(self, channels: int, classes: int, eps: float) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(channels, eps=eps, affine=False)
        self.gain, self.bias = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Normalise features (N, C, H, W), then scale and shift each image by its class (N,)."""
        gain, bias = self.gain(labels)[:, :, None, None], self.bias(labels)[:, :, None, None]
        return gain * self.normalize(features) + bias
