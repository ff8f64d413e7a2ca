"""MS-SSIM between pairs of images, with as many scales as their size allows (Wang et al., 2003)."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from ganlab.metrics.extractors.precision import full_precision

KERNEL = 7  # side of SSIM's window; the usual 11 leaves a single scale at 28x28
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of the scales, finest first
CHUNK = 32  # pairs at a time: on a GPU a training needs the memory


def dissimilarity(images: Tensor) -> float:
    """Return the mean of 1 - MS-SSIM over pairs of neighbours (the last with the first), 0 for equal images, to 1.

    ``images`` are uint8 (N, C, H, W), N >= 2, with sides of at least 8.
    """
    betas = BETAS[: scales(min(images.shape[2:]), KERNEL)]
    betas = tuple(beta / sum(betas) for beta in betas)
    options = {"gaussian_kernel": False, "kernel_size": KERNEL, "data_range": 1.0, "betas": betas}
    pairs = zip(images.split(CHUNK), images.roll(-1, 0).split(CHUNK), strict=True)
    found = [similarities(first.float() / 255, second.float() / 255, **options) for first, second in pairs]
    return 1 - float(torch.nan_to_num(torch.cat(found).mean()))


def similarities(first: Tensor, second: Tensor, **options: Any) -> Tensor:
    """Return the MS-SSIM (N,) of each pair of float images (N, C, H, W)."""
    with full_precision(first.device):  # variances are small differences of large means
        values = multiscale_structural_similarity_index_measure(
            first, second, normalize="relu", reduction="none", **options
        )
    assert isinstance(values, Tensor)
    return values


def scales(side: int, window: int) -> int:
    """Return the number of scales, 1 to 5, at which the window fits; torchmetrics asks for more room than it needs."""
    count = 1
    while count < len(BETAS) and side // max(2**count, count**2) >= window:
        count += 1
    return count
