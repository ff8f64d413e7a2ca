"""Memorisation: whether generated images are copies of training images."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat
from torchvision.utils import make_grid

from ganlab.data.batches import channels_first
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.two_sample import nearer
from ganlab.metrics.metric import FeatureSetMetric
from ganlab.metrics.neighbours import closest, radii, rounding_error, squared_distances, tiles
from ganlab.metrics.reals import Reals

CANDIDATES = 256  # samples from which the picture's are chosen
SHOWN = 8  # rows of the picture
NEIGHBOURS = 3  # nearest training images in a row


class Memorisation(FeatureSetMetric):
    """Share of generated images that lie nearer to training images than to held-out ones; 0.5 without any copy.

    Nearest neighbours are those in the space of the feature network, in a seeded sample of the training images and
    among as many held-out ones. Equal distances count half. The more training images exceed the held-out ones in
    number, the fewer copies it can detect.

    Without held-out images it is the share of pairs of a generated and a real training image in which the generated one
    is nearer to the training images than the real one is to the others. That is always so for a copy, but also for
    blurred or ordinary images; a poor generator scores below 0.5.

    ``picture``, uint8 (3, H, W), shows the most suspicious of the first 256 samples, each next to its nearest training
    images.
    """

    wants_held_out = True
    pictures: list[Tensor]

    def __init__(self, features: Features) -> None:
        super().__init__(features, ("memorisation",))
        self.held_out: Tensor | None = None
        self.reals: Reals | None = None
        self.image_shape: torch.Size | None = None
        self._picture: Tensor | None = None
        self.add_list("pictures", torch.uint8)

    def take_reals(self, reals: Reals) -> None:
        super().take_reals(reals)
        self.reals = reals
        self.held_out = None if reals.held_out is None else reals.held_out.features(self.features)

    def update(self, batch: Generated) -> None:
        super().update(batch)
        self.image_shape = batch.images.shape[1:]
        self.pictures.append(batch.images[batch.indices < CANDIDATES].flatten())

    def compare(self, real: Tensor, fake: Tensor) -> tuple[float, ...]:
        if self.held_out is None:
            near = closest(fake, real)[0].distances
            value, suspicion = share_nearer(near, radii(real, 1)), near
        else:
            count = min(len(real), len(self.held_out))
            real, held_out = real[:count], self.held_out[:count].to(fake.device)
            near, other = closest(fake, real)[0].distances, closest(fake, held_out)[0].distances
            value = nearer(near, other, max(rounding_error(fake, one) for one in (real, held_out))).mean().item()
            suspicion = near / other.clamp(min=torch.finfo(torch.float64).tiny)
        self._picture = self._draw(real, fake, suspicion)
        return (value,)

    def picture(self) -> Tensor | None:
        return self._picture

    def protocol(self) -> dict[str, Any]:
        shared = super().protocol()
        if self.held_out is None:
            return {**shared, "held_out": "none: leave-one-out distances of the training images instead"}
        count = min(len(self.held_out), shared["real"])
        return {**shared, "real": count, "held_out": count}

    def _draw(self, real: Tensor, fake: Tensor, suspicion: Tensor) -> Tensor:
        assert self.reals is not None and self.image_shape is not None
        pictures, indices = dim_zero_cat(self.pictures), dim_zero_cat(self.indices)
        samples = pictures.view(-1, *self.image_shape)[indices[indices < CANDIDATES].argsort()]
        shown = suspicion[: len(samples)].argsort(stable=True)[:SHOWN]
        distances = torch.cat([squared_distances(fake[shown].double(), piece) for _, piece in tiles(real)], dim=1)
        nearest = distances.topk(min(NEIGHBOURS, len(real)), dim=1, largest=False).indices.cpu().numpy()
        rows = []
        for sample, places in zip(samples[shown].cpu(), self.reals.order[nearest], strict=True):
            rows += [sample, *channels_first(self.reals.pack.images[places])]
        return make_grid(rows, nrow=1 + nearest.shape[1], pad_value=255)


def share_nearer(first: Tensor, second: Tensor) -> float:
    """Return the share of pairs of numbers (N,) and (M,) in which the first is less; equal numbers count half."""
    ordered = second.sort().values
    above = len(second) - torch.searchsorted(ordered, first, right=True)
    equal = len(second) - torch.searchsorted(ordered, first) - above
    return (above.double() + equal.double() / 2).mean().item() / len(second)
