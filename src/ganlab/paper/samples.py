"""Figures 2, 3, 10 and 11: samples, as they come or sorted by the discriminator."""

from typing import ClassVar

import torch
from torch import Tensor

from ganlab.latent.pictures import sheet
from ganlab.networks.statistics import sampling
from ganlab.paper.item import Item, Material, Model, Outcome
from ganlab.probes.features import with_label
from ganlab.systems.images import to_floats


class Samples(Item):
    """A grid of samples at random, none chosen.

    Args:
        rows: of the grid.
        columns: of the grid.
        batch_size: samples generated together; with the authors' batch statistics they depend on each other.
    """

    title = "samples"
    published: ClassVar = {"epochs": "1 (figure 2), 5 (figure 3), 25 (figure 10)"}

    def __init__(self, rows: int, columns: int, batch_size: int) -> None:
        self.rows, self.columns, self.batch_size = rows, columns, batch_size

    def make(self, material: Material) -> Outcome:
        """Draw rows x columns samples."""
        model = material.model
        images = model.system.sample(self.rows * self.columns, material.seed, self.batch_size)
        seen, count = model.system.clock.images_seen, len(material.training)
        return Outcome(
            {"": sheet(images.unflatten(0, (self.rows, self.columns)))},
            scores={"epochs": seen / count, "images_seen": seen},
            remarks=[f"of {count:,} training images"],
        )


class SortedSamples(Item):
    """A grid of samples in the order of the discriminator's probability, the most real ones first.

    Args:
        rows: of the grid.
        columns: of the grid.
    """

    title = "samples, sorted by the discriminator"
    differs: ClassVar = ("the discriminator normalises over all samples at once, as the authors' sampling does",)

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns

    def make(self, material: Material) -> Outcome:
        """Draw rows x columns samples and sort them."""
        model, count = material.model, self.rows * self.columns
        images = model.system.sample(count, material.seed, count)
        logits = judged(model, images)
        order = logits.argsort(descending=True)
        probabilities = logits[order].sigmoid().view(self.rows, self.columns).mean(dim=1)
        return Outcome(
            {"": sheet(images[order].unflatten(0, (self.rows, self.columns)))},
            scores={"first_row": probabilities[0].item(), "last_row": probabilities[-1].item()},
            remarks=["scores are mean probabilities of being real of the first and the last row"],
        )


def judged(model: Model, images: Tensor) -> Tensor:
    """Return the discriminator's logits (N,) of uint8 images (N, C, H, W), normalised over all of them at once."""
    pixels = images.to(model.device).permute(0, 2, 3, 1)
    given = with_label(to_floats(pixels, model.value_range), model.label)
    with sampling(model.discriminator, "batch"):
        return torch.as_tensor(model.discriminator(*given)).float().cpu()
