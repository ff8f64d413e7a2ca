"""How much images differ from each other: MS-SSIM between pairs, as Odena et al. (2017) judge variety."""

import torch
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from ganlab.metrics.extractors.precision import full_precision

KERNEL = 7  # side of SSIM's window; the usual 11 leaves a single scale at 28x28
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights of the scales, finest first (Wang et al. 2003)
COMPARED = 32  # pairs at a time: on a GPU a training needs the memory


def dissimilarity(images: Tensor) -> float:
    """Return the mean of 1 - MS-SSIM over pairs of neighbours (the last with the first), 0 for equal images, to 1.

    As many scales as the size allows, up to the usual five, their weights scaled to a sum of 1.

    Args:
        images: uint8 (N, C, H, W), N >= 2, sides of at least 8.
    """
    betas = BETAS[: scales(min(images.shape[2:]))]
    found = []
    for one, other in zip(images.split(COMPARED), images.roll(-1, 0).split(COMPARED), strict=True):
        with full_precision(images.device):  # variances are small differences of large means
            similarity = multiscale_structural_similarity_index_measure(
                one.float() / 255,
                other.float() / 255,
                gaussian_kernel=False,
                kernel_size=KERNEL,
                data_range=1.0,
                betas=tuple(beta / sum(betas) for beta in betas),
                normalize="relu",
                reduction="none",
            )
        assert isinstance(similarity, Tensor)
        found.append(similarity)
    return 1 - float(torch.nan_to_num(torch.cat(found).mean()))


def scales(side: int) -> int:
    """Return how often an image can be halved and still hold SSIM's window, plus one; 1 to 5."""
    count = 1
    while count < len(BETAS) and side // 2**count >= KERNEL:
        count += 1
    return count
