"""Labels in networks: appended, as a choice of gains and biases, or projected on (docstrings name the papers)."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def check_classes(classes: int | None) -> int:
    """Return the number of classes of a conditional network.

    Raises:
        ValueError: there are none.
    """
    if not classes:
        raise ValueError(
            f"data.num_classes={'null' if classes is None else classes}, and a conditional network needs labelled "
            f"data: type data.num_classes=N for data with labels, or an unconditional architecture such as dcgan"
        )
    return classes


def append(values: Tensor, one_hot: Tensor) -> Tensor:
    """Append labels to units (N, U) or, each as a constant map, to feature maps (N, C, H, W).

    Mirza and Osindero 2014 at the input; the DCGAN authors' MNIST code after every hidden layer as well.
    """
    one_hot = one_hot.to(values.dtype)
    if values.dim() == 4:
        one_hot = one_hot[:, :, None, None].expand(-1, -1, *values.shape[2:])
    return torch.cat([values, one_hot], 1)


def encode(labels: Tensor, classes: int) -> Tensor:
    """Return labels (N,) as one-hot rows (N, classes)."""
    return functional.one_hot(labels, classes)


class ConditionalBatchNorm(nn.Module):
    """Batch norm with a gain and a bias for each class and map (Dumoulin et al. 2017; Miyato and Koyama 2018)."""

    def __init__(self, maps: int, classes: int, eps: float) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(maps, eps=eps, affine=False)
        self.gain, self.bias = nn.Embedding(classes, maps), nn.Embedding(classes, maps)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, maps: Tensor, labels: Tensor) -> Tensor:
        """Normalise maps (N, C, H, W), then scale and shift each image's by its class (N,)."""
        gain, bias = self.gain(labels)[:, :, None, None], self.bias(labels)[:, :, None, None]
        return gain * self.normalize(maps) + bias
