"""Learned perceptual image patch similarity (Zhang et al., 2018)."""

from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import get_model_weights

from ganlab.arguments import checked
from ganlab.errors import UserError
from ganlab.metrics.extractors.precision import full_precision
from ganlab.metrics.extractors.weights import UNUSABLE, first_line, published_weights
from ganlab.metrics.measures.paired import PairedMetric

BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
LEAST = 32  # pixels of a side, below which a backbone's pooling leaves nothing
CHUNK = 50  # images of one pass


@checked
class LPIPS(PairedMetric):
    """Distance of deep features of outputs and their true images, by torchmetrics; lower is better.

    Named after its network: ``lpips_alex``. The network compares whole images: on the hole, the pixels outside it are
    those of the true image. Weights are torchvision's and the paper's linear layers; ``UserError`` if they are not
    available.
    """

    higher_is_better = False
    unit = "LPIPS 0.1"

    def __init__(self, pixels: Literal["all", "hole"], network: Literal["alex", "vgg", "squeeze"]) -> None:
        self.name = f"lpips_{network}"
        super().__init__(pixels)
        url = next(iter(get_model_weights(BACKBONES[network]))).url
        try:
            file = published_weights(url)
            # torchvision unpickles this file without restriction: the safe loader must accept it first.
            torch.load(file, weights_only=True, map_location="cpu")
            self.network = LearnedPerceptualImagePatchSimilarity(network, reduction="none", normalize=True)
        except UserError as reason:
            missing = str(reason).partition(", or anywhere")[0]
            raise UserError(f"{missing}, or leave lpips out of metrics=[...]") from reason
        except UNUSABLE as reason:
            raise UserError(f"{file} does not hold torchvision's weights ({first_line(reason)}); remove it") from reason

    def compare(self, images: Tensor, targets: Tensor, region: Tensor) -> Tensor:
        if min(images.shape[2:]) < LEAST or images.shape[1] not in (1, 3):
            raise UserError(
                f"{self.name} needs images of 1 or 3 channels and {LEAST} pixels or more: leave lpips out of "
                "metrics=[...]"
            )
        outputs = images.where(region, targets)
        with torch.no_grad(), full_precision(images.device):
            pairs = zip(outputs.split(CHUNK), targets.split(CHUNK), strict=True)
            return torch.cat([self._distances(*pair) for pair in pairs])

    def protocol(self) -> dict[str, Any]:
        outside = {"outside": "pixels of the true image"} if self.pixels == "hole" else {}
        return {**super().protocol(), "backbone": BACKBONES[self.name.removeprefix("lpips_")], **outside}

    def _distances(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.network.reset()
        self.network.update(*(images.expand(-1, 3, -1, -1).float() / 255 for images in (outputs, targets)))
        return self.network.compute().view(-1)
