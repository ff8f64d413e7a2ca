"""Sliced Wasserstein distance between patches of Laplacian pyramids (Karras et al., 2018, section 5)."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from ganlab.arguments import Count, Natural, checked
from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Metric
from ganlab.metrics.reals import Reals

PATCH = 7  # pixels
COARSEST = 16  # pixels
REPEATS, DIRECTIONS = 4, 128
ROUNDING = 1e-3  # grey levels; a standard deviation below it is rounding


@checked
class SWD(Metric):
    """Sliced Wasserstein distance x 1000, averaged over the levels of the pyramid; lower is better; no network needed.

    As in Progressive GAN: 7x7 patches of each Laplacian level down to 16 pixels, normalised to the mean and standard
    deviation of each channel, projected on 4 x 128 random directions; the distance of two sets is the mean |difference|
    of their sorted projections, at equal quantiles if the sets differ in size. An image has ``patches`` patches on each
    level (128 in the paper). Their positions depend on its number and the seed alone, so neither batches nor processes
    change the result. Memory of each set: 196 bytes a patch, channel, level and image.
    """

    higher_is_better = False
    names = ("swd",)
    fake_patches: list[Tensor]

    def __init__(self, patches: Count, seed: Natural = 0) -> None:
        super().__init__()
        self.patches, self.seed = patches, seed
        self.real_patches: list[Tensor] = []
        self.add_state("fake_patches", [], dist_reduce_fx="cat")

    def take_reals(self, reals: Reals) -> None:
        self.real_patches = []
        done = 0
        for images in reals.sample():
            indices = torch.arange(done, done := done + len(images))
            self.real_patches.append(self.cut_up(images, indices).flatten(end_dim=1))

    def update(self, batch: Generated) -> None:
        # flat, since processes without samples contribute an empty tensor of one dimension
        self.fake_patches.append(self.cut_up(batch.images, batch.indices).flatten())

    def cut_up(self, images: Tensor, indices: Tensor) -> Tensor:
        """Return patches (N, patches, levels, C, 49) of uint8 images (N, C, H, W) with these numbers (N,)."""
        levels = laplacian_pyramid(images.float())
        corners = self._corners(indices, len(levels)).to(images.device)
        return torch.stack([cut(level, at) for level, at in zip(levels, corners, strict=True)], dim=2)

    def compute(self) -> dict[str, float]:
        if not self.real_patches:
            return {}
        fakes = dim_zero_cat(self.fake_patches)
        real = torch.cat(self.real_patches).to(fakes.device)
        fake = fakes.view(-1, *real.shape[1:])
        distances = [self._distance(real[:, level], fake[:, level]) for level in range(real.shape[1])]
        return {"swd": 1000 * sum(distances) / len(distances)}

    def protocol(self) -> dict[str, Any]:
        real = sum(map(len, self.real_patches)) // self.patches
        return {"patches": self.patches, "directions": REPEATS * DIRECTIONS, "swd_seed": self.seed, "real": real}

    def _corners(self, indices: Tensor, levels: int) -> Tensor:
        """Draw the corners of patches in [0, 1), (levels, N, patches, 2), for each image by its number."""
        rngs = [np.random.default_rng((self.seed, index)) for index in indices.tolist()]
        return torch.from_numpy(np.stack([rng.random((levels, self.patches, 2)) for rng in rngs], axis=1))

    def _distance(self, real: Tensor, fake: Tensor) -> float:
        real, fake = normalise(real), normalise(fake)
        generator = torch.Generator().manual_seed(self.seed)
        distances = []
        for _ in range(REPEATS):
            directions = F.normalize(torch.randn(DIRECTIONS, real.shape[1], generator=generator), dim=1).to(real.device)
            distances.append(wasserstein(directions @ real.T, directions @ fake.T))
        return sum(distances) / REPEATS


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Split float images (N, C, H, W) of 16 pixels or more into bands: levels less their coarser copy, and the last."""
    if min(images.shape[2:]) < COARSEST:
        raise UserError(
            f"swd needs images of {COARSEST} pixels or more, not {images.shape[3]}x{images.shape[2]}; "
            "set data.image_size, or leave it out: metrics=none"
        )
    levels = [images]
    while min(levels[-1].shape[2:]) // 2 >= COARSEST:
        coarse = blur(levels[-1])[..., ::2, ::2]
        spread = torch.zeros_like(levels[-1])
        spread[..., ::2, ::2] = 4 * coarse
        levels[-1] = levels[-1] - blur(spread)
        levels.append(coarse)
    return levels


def blur(images: Tensor) -> Tensor:
    """Apply the pyramid's 5x5 binomial filter (Burt and Adelson, 1983), mirrored at the border."""
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device) / 16
    planes = F.pad(images.flatten(end_dim=1)[:, None], (2, 2, 2, 2), mode="reflect")
    planes = F.conv2d(F.conv2d(planes, line.view(1, 1, 1, 5)), line.view(1, 1, 5, 1))
    return planes.view(images.shape)


def cut(level: Tensor, corners: Tensor) -> Tensor:
    """Cut patches (N, patches, C, 49) out of images (N, C, H, W) at corners (N, patches, 2) in [0, 1)."""
    n, channels, height, width = level.shape
    rows, columns = (corners * corners.new_tensor([height - PATCH + 1, width - PATCH + 1])).long().unbind(dim=2)
    step = torch.arange(PATCH, device=level.device)
    offsets = (step[:, None] * width + step).flatten()
    pixels = (rows * width + columns)[..., None] + offsets
    found = level.flatten(2).gather(2, pixels.flatten(1)[:, None].expand(-1, channels, -1))
    return found.view(n, channels, -1, PATCH * PATCH).transpose(1, 2)


def normalise(patches: Tensor) -> Tensor:
    """Normalise patches (N, C, 49) to mean 0 and standard deviation 1 in each channel, as rows (N, C * 49)."""
    deviation, mean = torch.std_mean(patches.double(), dim=(0, 2), correction=0, keepdim=True)
    return ((patches - mean) / deviation.clamp(min=ROUNDING)).float().flatten(1)


def wasserstein(first: Tensor, second: Tensor) -> float:
    """Return the mean |difference| of the quantiles of two sets of numbers (directions, N) and (directions, M)."""
    count = max(first.shape[1], second.shape[1])
    ranks = 2 * torch.arange(count, device=first.device) + 1
    first, second = (
        ordered if ordered.shape[1] == count else ordered[:, ranks * ordered.shape[1] // (2 * count)]
        for ordered in map(ascending, (first, second))
    )
    return (first - second).abs().mean(dim=1).double().mean().item()


def ascending(rows: Tensor) -> Tensor:
    """Sort each row; on the CPU with NumPy, whose vectorised sort takes an eighth of torch's time."""
    if rows.device.type != "cpu":
        return rows.sort(dim=1).values
    return torch.from_numpy(np.sort(rows.numpy(), axis=1))
