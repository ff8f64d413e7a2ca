"""The residual networks of spectral normalisation (Miyato et al. 2018, tables 4 to 6) at 32, 48, 64 and 128 pixels.

With labels: class-conditional batch norm in the generator and the projection discriminator (Miyato and Koyama 2018).
Layers and channels follow the papers; 64x64, which they omit, follows the second paper's code. These networks are based
on WGAN-GP's (Gulrajani et al. 2017): without normalisation, the discriminator can be used with a gradient penalty.
Defaults are the papers', and other arguments are explained in `ganlab.networks.dcgan`.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from ganlab.arguments import Count, Natural, Positive, Repeats, checked
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.blocks import OUTPUTS
from ganlab.networks.layers.choosing import choose
from ganlab.networks.layers.conditioning import ConditionalBatchNorm, check_classes
from ganlab.networks.layers.style import LayerStyle

# By image size, in multiples of the width: channels of G from the smallest feature map up, channels of D from the image
# down, and the number of D's blocks that halve the side.
LAYOUTS: dict[int, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    32: ((4, 4, 4, 4), (2, 2, 2, 2), 2),
    48: ((8, 4, 2, 1), (1, 2, 4, 8, 16), 4),
    64: ((16, 8, 4, 2, 1), (1, 2, 4, 8, 16), 5),
    128: ((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5),
}
Norm = Callable[[int], nn.Module]


@checked
class Generator(LatentGenerator):
    """Latents, and labels with classes, to images: linear, residual blocks that double the side, convolution."""

    def __init__(
        self,
        image_size: Count = 32,
        channels: Count = 3,
        classes: Natural | None = 0,  # 0 for a network without labels
        *,
        width: Count = 64,  # 256 channels throughout at 32x32, 1024 to 64 at 128x128
        latent_size: Count = 128,
        prior: str = "normal",
        output: str = "tanh",
        eps: Positive = 1e-5,
        sampling_statistics: str = "running",
        standing_batches: Repeats = 16,
    ) -> None:
        labels = 0 if classes == 0 else check_classes(classes)
        squash, value_range = choose(OUTPUTS, output, "output")
        super().__init__(latent_size, prior, sampling_statistics, standing_batches, value_range, labels)
        schedule = [width * multiple for multiple in layout(image_size)[0]]
        side = image_size // 2 ** (len(schedule) - 1)
        conditional = partial(ConditionalBatchNorm, classes=labels, eps=eps)
        norm: Norm = conditional if labels else partial(nn.BatchNorm2d, eps=eps)
        self.project = nn.Sequential(
            nn.Linear(latent_size, schedule[0] * side**2), nn.Unflatten(1, (schedule[0], side, side))
        )
        self.upsample = nn.ModuleList(UpBlock(inputs, outputs, norm) for inputs, outputs in pairwise(schedule))
        self.to_image = nn.Sequential(
            nn.BatchNorm2d(schedule[-1], eps), nn.ReLU(), nn.Conv2d(schedule[-1], channels, 3, padding=1), squash()
        )
        initialize(self)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_size) and labels (N,) to images (N, channels, H, W) in ``value_range``."""
        values = self.project(latents)
        given = (labels,) if self.classes else ()
        for block in self.upsample:
            values = block(values, *given)
        return self.to_image(values)


@checked
class Discriminator(nn.Module):
    """Images, and labels with classes, to logits: residual blocks, sum pooling, linear.

    With labels the inner product of the pooled features and the class embedding is added to the logit.
    """

    def __init__(
        self,
        image_size: Count = 32,
        channels: Count = 3,
        classes: Natural | None = 0,  # 0 for a network without labels
        *,
        width: Count = 64,  # 128 channels throughout at 32x32, 64 to 1024 at the other sizes
        normalization: str = "spectral",  # (papers), ``weight`` or ``none``
    ) -> None:
        super().__init__()
        style = LayerStyle(normalization, "relu")
        if not style.bias:  # it would follow convolutions, and these blocks have no place for it
            raise ValueError(
                f"normalization {normalization!r} is not for these blocks; choose spectral, weight or none"
            )
        self.classes = 0 if classes == 0 else check_classes(classes)
        _, multiples, halvings = layout(image_size)
        schedule = [width * multiple for multiple in multiples]
        self.from_image = FirstBlock(channels, schedule[0])
        self.downsample = nn.Sequential(
            *(DownBlock(*pair, halve=index < halvings) for index, pair in enumerate(pairwise(schedule), start=1)),
            nn.ReLU(),
        )
        self.head = nn.Linear(schedule[-1], 1)
        if self.classes:
            self.embedding = nn.Embedding(self.classes, schedule[-1])
        initialize(self)
        style.normalize_weights(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map images (N, channels, H, W) and labels (N,) to logits (N,): positive means real and of that class."""
        sums = self.downsample(self.from_image(images)).sum((2, 3))
        logits = self.head(sums).squeeze(1)
        return logits + (self.embedding(labels) * sums).sum(1) if self.classes else logits


class UpBlock(nn.Module):
    """Norm, ReLU, nearest up-sampling, 3x3, norm, ReLU, 3x3; shortcut: up-sampling and 1x1."""

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(inputs), norm(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.activate, self.enlarge = nn.ReLU(), nn.Upsample(scale_factor=2)

    def forward(self, features: Tensor, *labels: Tensor) -> Tensor:
        """Map (N, inputs, H, W), and labels (N,) with classes, to (N, outputs, 2H, 2W)."""
        values = self.conv1(self.enlarge(self.activate(self.norm1(features, *labels))))
        values = self.conv2(self.activate(self.norm2(values, *labels)))
        return values + self.enlarge(self.shortcut(features))  # 1x1 and nearest up-sampling commute


class DownBlock(nn.Module):
    """ReLU, 3x3, ReLU, 3x3; shortcut: 1x1 or identity. With ``halve``, 2x2 average pooling of the sum."""

    def __init__(self, inputs: int, outputs: int, halve: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if halve or inputs != outputs else nn.Identity()
        self.activate, self.pool = nn.ReLU(), nn.AvgPool2d(2) if halve else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        values = self.conv2(self.activate(self.conv1(self.activate(features))))
        return self.pool(values + self.shortcut(features))


class FirstBlock(nn.Module):
    """3x3, ReLU, 3x3; shortcut: 1x1; 2x2 average pooling in both. No ReLU on the image itself."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.activate, self.pool = nn.ReLU(), nn.AvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        shortcut = self.shortcut(self.pool(images))
        return self.pool(self.conv2(self.activate(self.conv1(images)))) + shortcut


def layout(image_size: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return the entry of ``LAYOUTS``, or raise a ValueError that lists the known sizes."""
    if image_size not in LAYOUTS:
        raise ValueError(f"image size {image_size} has no residual network; sizes: {', '.join(map(str, LAYOUTS))}")
    return LAYOUTS[image_size]


def initialize(network: nn.Module) -> None:
    """Draw weights by Glorot and Bengio 2010, with gain sqrt 2 in the blocks' 3x3 layers; set biases to 0."""
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight, 2**0.5 if name.endswith(("conv1", "conv2")) else 1.0)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        elif name == "embedding":
            nn.init.xavier_uniform_(module.weight)  # type: ignore[arg-type]
