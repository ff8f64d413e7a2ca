"""MS-SSIM between generated images as a measure of variety (Odena et al., 2017; Karras et al., 2018)."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from ganlab.arguments import Count, checked
from ganlab.data.batches import channels_first
from ganlab.errors import UserError
from ganlab.metrics.diversity import BETAS
from ganlab.metrics.extractors.precision import full_precision
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Gathered, enough
from ganlab.metrics.reals import Reals

KERNEL = 11  # pixels of the Gaussian window, of deviation 1.5
JUDGED = 50  # pairs at a time


@checked
class MSSSIM(Gathered):
    """Mean multi-scale structural similarity of pairs of generated images: 1 for equal ones, lower is more varied.

    Sample 2i is compared with sample 2i + 1. As many of the usual five scales as the size allows, their weights scaled
    to a sum of 1, so compare equal sizes only: papers print 128x128 and more. A collapse raises it, noise lowers it;
    hence it chooses no checkpoint, and stands beside ``real_pairs``, the same of the real images, in the protocol.

    Args:
        pairs: how many are compared; fewer where there are fewer samples.
    """

    names = ("ms_ssim",)
    kind = torch.uint8

    def __init__(self, pairs: Count) -> None:
        super().__init__(limit=2 * pairs)
        self.pairs = pairs
        self.of_reals: float | None = None
        self.compared = 0

    def take_reals(self, reals: Reals) -> None:
        """Compare pairs of real images.

        Raises:
            UserError: there are too few samples, or the images are too small for one scale.
        """
        enough("count", reals.count, 2, reals.count)
        images = reals.pack.images[reals.order[: min(2 * self.pairs, reals.sample_count)]]
        self.of_reals = similarity(channels_first(images).to(reals.device))

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Keep the images (n, C, H, W)."""
        return batch.images[kept]

    def compute(self) -> dict[str, float]:
        """Return the mean similarity; nothing on processes without samples."""
        if self.shape is None:
            return {}
        images = self.in_order()
        self.compared = len(images) // 2
        return {"ms_ssim": similarity(images)}

    def protocol(self) -> dict[str, Any]:
        """Return the number of pairs and scales, and what the real images show."""
        used = {} if self.shape is None else {"scales": scales(min(self.shape[1:]))}
        return {"pairs": self.compared or self.pairs, **used, "real_pairs": self.of_reals}


def similarity(images: Tensor) -> float:
    """Return the mean MS-SSIM of neighbouring pairs among uint8 images (N, C, H, W); an odd one out is passed over.

    Raises:
        UserError: images below 11 pixels.
    """
    images = images[: len(images) // 2 * 2]
    betas = BETAS[: scales(min(images.shape[2:]))]
    share = sum(betas) / sum(BETAS)  # the usual five sum to 1.0001 and stay as they are
    weights = tuple(beta / share for beta in betas)
    found = []
    for first, second in zip(images[::2].split(JUDGED), images[1::2].split(JUDGED), strict=True):
        with full_precision(images.device):  # variances are small differences of large means
            values = multiscale_structural_similarity_index_measure(
                first.float(),
                second.float(),
                kernel_size=KERNEL,
                data_range=255.0,
                betas=weights,
                normalize="relu",
                reduction="none",
            )
        assert isinstance(values, Tensor)
        found.append(values.double())
    return torch.cat(found).mean().item()


def scales(side: int) -> int:
    """Return at how many scales the window fits an image, 1 to 5; torchmetrics asks for more room than there has to be.

    Raises:
        UserError: the window does not fit at all.
    """
    if side < KERNEL:
        raise UserError(
            f"ms_ssim needs images of {KERNEL} pixels or more, not {side}; set data.image_size, or leave it out"
        )
    count = 1
    while count < len(BETAS) and side // max(2**count, count**2) >= KERNEL:
        count += 1
    return count
