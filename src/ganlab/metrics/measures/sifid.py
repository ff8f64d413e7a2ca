"""Single image FID (Shaham et al., 2019)."""

from typing import Any

import torch
from torch import Tensor

from ganlab.arguments import Count, checked
from ganlab.data.batches import channels_first
from ganlab.metrics.extractors.inception import InceptionFeatures
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import PerSampleMetric
from ganlab.metrics.reals import Reals

DEPTH = 64  # channels of the layer
LAYER = "64 channels before the first pooling, image not resized"


@checked
class SIFID(PerSampleMetric):
    """Frechet distance between the features at all positions of a real and of a generated image; lower is better.

    The mean over generated images. A single real image is compared with all of them; of several, image i of the pack
    with generated image i, beginning again after the last.

    Features are the 64 channels after Inception's third convolution, before the first pooling, of images that are not
    resized, as in the authors' code; the paper speaks of the layer before the second pooling. No library offers it:
    torchmetrics and torch-fidelity pool this layer over all positions. At most ``samples`` images are compared (50 in
    the paper).
    """

    needs = InceptionFeatures
    higher_is_better = False
    row_dtype = torch.float64

    def __init__(self, features: InceptionFeatures, samples: Count) -> None:
        super().__init__(limit=samples)
        self.features, self.samples = features, samples
        self.names = (f"sifid_{features.name}",)
        self.real: list[FeatureStatistics] = []

    def take_reals(self, reals: Reals) -> None:
        images = channels_first(reals.pack.images[: min(self.samples, reals.count)])
        self.features.to(reals.device)
        self.real = [self._statistics(image.to(reals.device)) for image in images.split(1)]

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        found = [self._statistics(image) for image in batch.images[kept].split(1)]
        rows = [torch.cat([one.total.new_tensor([one.count]), one.total, one.outer.flatten()]) for one in found]
        return torch.stack(rows).to(batch.images.device)

    def compute(self) -> dict[str, float]:
        if not self.real:
            return {}
        distances = []
        for number, row in enumerate(self.in_order().cpu()):
            count, total, outer = row.split([1, DEPTH, DEPTH**2])
            fake = FeatureStatistics(int(count), total, outer.view(DEPTH, DEPTH))
            distances.append(frechet_distance(self.real[number % len(self.real)], fake))
        return {self.names[0]: sum(distances) / len(distances)}

    def protocol(self) -> dict[str, Any]:
        seen = {"resize": "none", "layer": LAYER, "real": len(self.real), "fake": self.samples}
        return {**self.features.protocol(), **seen}

    @torch.no_grad()
    def _statistics(self, image: Tensor) -> FeatureStatistics:
        network = self.features.network
        with torch.autocast(image.device.type, enabled=False):
            pixels = (image.expand(-1, 3, -1, -1).float() - 128) / 128
            channels = network.Conv2d_2b_3x3(network.Conv2d_2a_3x3(network.Conv2d_1a_3x3(pixels)))
        positions = channels[0].flatten(1).T.double().cpu()
        return FeatureStatistics(len(positions), positions.sum(dim=0), positions.T @ positions)
