"""Figures 2, 3, 10 and 11: samples, as they come or sorted by the discriminator."""

from contextlib import suppress
from typing import ClassVar

import torch
from torch import Tensor

from ganlab.arguments import Count, Several
from ganlab.errors import UserError
from ganlab.latent.pictures import sheet
from ganlab.networks.statistics import sampling
from ganlab.paper.figure import Item, Material, Model, Outcome
from ganlab.paper.provenance import trained_on, width_of
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

    def __init__(self, rows: Count, columns: Count, batch_size: Several) -> None:
        self.rows, self.columns, self.batch_size = rows, columns, batch_size

    def make(self, material: Material) -> Outcome:
        """Draw rows x columns samples."""
        model = material.model
        images = model.system.sample(self.rows * self.columns, material.seed, self.batch_size)
        outcome = Outcome({"": sheet(images.unflatten(0, (self.rows, self.columns)))})
        papers = "LSUN's bedrooms (figures 2 and 3) and faces found on the web (figure 10), 64x64, width 128"
        outcome.differs += other_data(model, images, ("lsun", 64, 128), papers)
        if seen := model.system.clock.images_seen:  # 0: weights that do not tell
            outcome.scores["images_seen"] = seen
            with suppress(UserError):  # the data need not be here for samples
                count = len(material.training)
                outcome.scores["epochs"] = seen / count
                outcome.remarks.append(f"of {count:,} training images")
        return outcome


class SortedSamples(Item):
    """A grid of samples in the order of the discriminator's probability, the most real ones first.

    Args:
        rows: of the grid.
        columns: of the grid.
    """

    title = "samples, sorted by the discriminator"
    differs: ClassVar = ("the discriminator normalises over all samples at once, as the authors' sampling does",)

    def __init__(self, rows: Count, columns: Count) -> None:
        self.rows, self.columns = rows, columns

    def make(self, material: Material) -> Outcome:
        """Draw rows x columns samples and sort them."""
        model, count = material.model, self.rows * self.columns
        images = model.system.sample(count, material.seed, count)
        logits = judged(model, images, model.system.generation_labels(0, count, material.seed))
        order = logits.argsort(descending=True)
        probabilities = logits[order].sigmoid().view(self.rows, self.columns).mean(dim=1)
        return Outcome(
            {"": sheet(images[order].unflatten(0, (self.rows, self.columns)))},
            scores={"first_row": probabilities[0].item(), "last_row": probabilities[-1].item()},
            remarks=["scores are mean probabilities of being real of the first and the last row"],
            differs=other_data(model, images, ("imagenet", 32, 128), "ImageNet-1k, 32x32, width 128"),
        )


def judged(model: Model, images: Tensor, labels: Tensor | None) -> Tensor:
    """Return the discriminator's logits (N,) of uint8 images (N, C, H, W), normalised over all of them at once.

    A conditional one is given the labels (N,) that the images were drawn with.
    """
    pixels = to_floats(images.to(model.device).permute(0, 2, 3, 1), model.value_range)
    given = (value.to(model.device) for value in model.system.condition(labels))
    with sampling(model.discriminator, "batch"):
        return torch.as_tensor(model.discriminator(pixels, *given)).float().cpu()


def other_data(model: Model, images: Tensor, papers: tuple[str, int, int], told: str) -> list[str]:
    """Return a line on what a model's samples (N, C, H, W) are of where that is not what the paper's are of.

    Args:
        model: that drew them.
        images: the samples.
        papers: name of the paper's data, side of its images and width of its networks.
        told: the same, in words.
    """
    name, (height, width), maps = trained_on(model), images.shape[2:], width_of(model)
    if (name, height, maps) == papers:
        return []
    ours = f"{name}, {width}x{height}" + (f", width {maps}" if maps else "")
    return [f"samples of a model of {ours}; the paper's: {told}"]
