"""MS-SSIM between generated images as a measure of diversity (Odena et al., 2017; Karras et al., 2018)."""

from typing import Any

import torch
from torch import Tensor

from ganlab.arguments import Count, checked
from ganlab.data.batches import channels_first
from ganlab.errors import UserError
from ganlab.metrics.diversity import BETAS, scales, similarities
from ganlab.metrics.metric import PerSampleMetric, require_count
from ganlab.metrics.reals import Reals

KERNEL = 11  # pixels of the Gaussian window, of standard deviation 1.5
CHUNK = 50  # pairs at a time


@checked
class MSSSIM(PerSampleMetric):
    """Mean multi-scale structural similarity of pairs of generated images: 1 for equal images, lower is more diverse.

    Compares sample 2i with sample 2i + 1 on as many of the usual five scales as the size allows, their weights scaled
    to a sum of 1; so compare equal sizes only (papers print 128x128 and more). Collapse raises it and noise lowers it,
    so it chooses no checkpoint; compare it with ``real_pairs`` in the protocol, the same of the real images. At most
    ``pairs`` are compared.
    """

    names = ("ms_ssim",)
    row_dtype = torch.uint8

    def __init__(self, pairs: Count) -> None:
        super().__init__(limit=2 * pairs)
        self.pairs = pairs
        self.of_reals: float | None = None
        self.compared = 0

    def take_reals(self, reals: Reals) -> None:
        require_count("count", reals.count, 2, reals.count)
        images = reals.pack.images[reals.order[: min(2 * self.pairs, reals.sample_count)]]
        self.of_reals = similarity(channels_first(images).to(reals.device))

    def compute(self) -> dict[str, float]:
        if self.shape is None:
            return {}
        images = self.in_order()
        self.compared = len(images) // 2
        return {"ms_ssim": similarity(images)}

    def protocol(self) -> dict[str, Any]:
        used = {} if self.shape is None else {"scales": scales(min(self.shape[1:]), KERNEL)}
        return {"pairs": self.compared or self.pairs, **used, "real_pairs": self.of_reals}


def similarity(images: Tensor) -> float:
    """Return the mean MS-SSIM of pairs of neighbours among uint8 images (N, C, H, W), without an odd last one."""
    if (side := min(images.shape[2:])) < KERNEL:
        raise UserError(
            f"ms_ssim needs images of {KERNEL} pixels or more, not {side}; set data.image_size, or leave it out"
        )
    images = images[: len(images) // 2 * 2]
    betas = BETAS[: scales(side, KERNEL)]
    share = sum(betas) / sum(BETAS)  # the usual five sum to 1.0001 and stay as they are
    options = {"kernel_size": KERNEL, "data_range": 255.0, "betas": tuple(beta / share for beta in betas)}
    pairs = zip(images[::2].split(CHUNK), images[1::2].split(CHUNK), strict=True)
    found = [similarities(one.float(), other.float(), **options) for one, other in pairs]
    return torch.cat(found).double().mean().item()
