"""The classifier network: convolutions, then one linear head per factor."""

import torch.nn.functional as F
from torch import Tensor, nn

LARGEST = 64  # pixels; larger images are resized
SMALLEST = 4  # pixels of the last feature map


class ImageClassifier(nn.Module):
    """Strided 3x3 convolutions with batch norm and ReLU, a hidden layer (the features), a linear layer per factor."""

    num_features = 64

    def __init__(self, shape: tuple[int, int, int], heads: list[int], width: int) -> None:
        super().__init__()
        inputs, height, side = shape  # (C, H, W); images of another size are resized
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
        self.heads = nn.ModuleList(nn.Linear(self.num_features, head) for head in heads)  # head: number of values

    def forward(self, images: Tensor) -> Tensor:
        """Return non-negative features (N, 64) of uint8 images (N, C, H, W)."""
        return self.features(to_pixels(images, self.size))

    def logits(self, features: Tensor) -> list[Tensor]:
        """Return the logits (N, values) of each factor for features (N, 64)."""
        return [head(features) for head in self.heads]


def to_pixels(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Return uint8 images (N, C, H, W) in [-1, 1], resized to a height and width: bilinear, antialiased."""
    pixels = images.float() / 127.5 - 1
    return pixels if pixels.shape[2:] == size else F.interpolate(pixels, size, mode="bilinear", antialias=True)
