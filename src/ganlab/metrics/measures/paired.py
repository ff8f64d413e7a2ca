"""Pixel errors between outputs and their true images: L1, L2, PSNR and SSIM."""

from collections.abc import Collection
from math import nan
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from ganlab.arguments import checked
from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import PerSampleMetric

SSIM_LEAST = 6  # pixels of a side, for the reflected border of the Gaussian window


@checked
class PairedMetric(PerSampleMetric):
    """Mean over images of a value between an output and its true image; pixels lie in [0, 1].

    Named ``NAME`` on all pixels and ``NAME_hole`` on the pixels of the hole, where the mask is above 0. Images without
    a hole are left out of the latter.
    """

    row_dtype = torch.float64
    name: str
    unit: str

    def __init__(self, pixels: Literal["all", "hole"]) -> None:
        super().__init__()
        self.pixels = pixels
        self.names = (self.name if pixels == "all" else f"{self.name}_hole",)

    def require(self, shown: Collection[str]) -> None:
        if "targets" not in shown:
            raise UserError(
                f"{self.names[0]} compares outputs with their true images, and this system has none: leave it out of "
                "metrics=[...], or train a system that learns from pairs"
            )
        if self.pixels == "hole" and "masks" not in shown:
            raise UserError(f"{self.names[0]} needs data with masks: take all pixels with pixels=all")

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Return the value of each image (n,); NaN for an image without a hole."""
        assert batch.targets is not None
        images, targets = batch.images[kept], batch.targets[kept]
        region = torch.ones_like(images, dtype=torch.bool)
        if self.pixels == "hole":
            assert batch.masks is not None
            region = (batch.masks[kept] > 0).expand_as(images)
        values = self.compare(images, targets, region)
        return values.double().where(region.flatten(1).any(dim=1), nan)

    def compare(self, images: Tensor, targets: Tensor, region: Tensor) -> Tensor:
        """Return the value (n,) of uint8 images (n, C, H, W) on the region (n, C, H, W), bool."""
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        return {} if self.shape is None else {self.names[0]: self.in_order().nanmean().item()}

    def protocol(self) -> dict[str, Any]:
        return {"unit": self.unit, "pixels": self.pixels}


class L1(PairedMetric):
    """Mean absolute error; lower is better."""

    higher_is_better = False
    name, unit = "l1", "mean |difference| of pixels in [0, 1]"

    def compare(self, images: Tensor, targets: Tensor, region: Tensor) -> Tensor:
        return mean_over(region, (images.double() - targets).abs() / 255)


class L2(PairedMetric):
    """Mean squared error; lower is better."""

    higher_is_better = False
    name, unit = "l2", "mean squared difference of pixels in [0, 1]"

    def compare(self, images: Tensor, targets: Tensor, region: Tensor) -> Tensor:
        return mean_over(region, ((images.double() - targets) / 255).square())


class PSNR(L2):
    """Peak signal-to-noise ratio, the mean over images of -10 log10(L2); higher is better."""

    higher_is_better = True
    name, unit = "psnr", "dB, mean over images, peak 1"

    def compare(self, images: Tensor, targets: Tensor, region: Tensor) -> Tensor:
        return -10 * super().compare(images, targets, region).log10()


class SSIM(PairedMetric):
    """Structural similarity (Wang et al., 2004), 1 for equal images; higher is better.

    torchmetrics' map, of a Gaussian window of 11 pixels and standard deviation 1.5, averaged over the region.
    """

    higher_is_better = True
    name, unit = "ssim", "Gaussian window of 11 pixels, standard deviation 1.5"

    def compare(self, images: Tensor, targets: Tensor, region: Tensor) -> Tensor:
        if min(images.shape[2:]) < SSIM_LEAST:
            raise UserError(f"ssim needs images of {SSIM_LEAST} pixels or more: leave it out of metrics=[...]")
        _, similarity = structural_similarity_index_measure(
            images.double() / 255, targets.double() / 255, data_range=1.0, reduction="none", return_full_image=True
        )
        return mean_over(region, similarity)


def mean_over(region: Tensor, values: Tensor) -> Tensor:
    """Return the mean (n,) of values (n, C, H, W) where the region (n, C, H, W) is true; NaN where it is empty."""
    return (values * region).flatten(1).sum(dim=1) / region.flatten(1).sum(dim=1)
