"""The classifier network: convolutions, then one linear head per factor."""

import torch.nn.functional as F
from torch import Tensor, nn

LARGEST = 64  # pixels; larger images are resized
SMALLEST = 4  # pixels of the last feature map


class ImageClassifier(nn.Module):
    """A small convolutional network that classifies each of several factors.

    Strided 3x3 convolutions with batch norm and ReLU down to 4x4 pixels or less, doubling the channels up to four times
    ``width``; a hidden layer, the features; a linear layer per factor.

    Args:
        shape: channels, height and width of the images. Other sizes are resized to it, or to 64 pixels if it is larger.
        heads: number of values of each factor.
        width: channels of the first layer.
    """

    num_features = 64

    def __init__(self, shape: tuple[int, int, int], heads: list[int], width: int) -> None:
        super().__init__()
        inputs, height, side = shape
        scale = min(1.0, LARGEST / max(height, side))
        self.size = (max(1, round(height * scale)), max(1, round(side * scale)))
        layers: list[nn.Module] = []
        rows, columns = self.size
        outputs = width
        while not layers or max(rows, columns) > SMALLEST:
            layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs)]
            layers += [nn.ReLU()]
            rows, columns = (rows + 1) // 2, (columns + 1) // 2
            inputs, outputs = outputs, min(2 * outputs, 4 * width)
        hidden = nn.Linear(inputs * rows * columns, self.num_features)
        self.features = nn.Sequential(*layers, nn.Flatten(), hidden, nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(self.num_features, head) for head in heads)

    def forward(self, images: Tensor) -> Tensor:
        """Return non-negative features (N, 64) of uint8 images (N, C, H, W)."""
        pixels = images.float() / 127.5 - 1
        if pixels.shape[2:] != self.size:
            pixels = F.interpolate(pixels, self.size, mode="bilinear", antialias=True)
        return self.features(pixels)

    def logits(self, features: Tensor) -> list[Tensor]:
        """Return the logits (N, values) of each factor for features (N, 64)."""
        return [head(features) for head in self.heads]
