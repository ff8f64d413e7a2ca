"""Figures 2, 3, 10 and 11: random samples, unsorted or sorted by the discriminator."""

from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganlab.arguments import Count, checked
from ganlab.errors import UserError
from ganlab.images import to_floats
from ganlab.latent.pictures import image_grid
from ganlab.networks.statistics import sampling
from ganlab.paper.figure import Figure, FigureInputs, FigureResult, Model
from ganlab.systems.request import Request


@checked
@dataclass
class Samples(Figure):
    """A grid of random samples, not hand-picked."""

    rows: Count
    columns: Count

    title = "samples"
    published: ClassVar = {"epochs": "1 (figure 2), 5 (figure 3), 25 (figure 10)"}

    def make(self, inputs: FigureInputs) -> FigureResult:
        model = inputs.model
        images = model.system.sample(self.rows * self.columns, inputs.seed)
        result = FigureResult({"": image_grid(images.unflatten(0, (self.rows, self.columns)))})
        description = "LSUN's bedrooms (figures 2 and 3) and faces found on the web (figure 10), 64x64, width 128"
        result.differs += other_data(model, images, ("lsun", 64, 128), description)
        if seen := model.system.clock.images_seen:  # 0: unknown, as of the authors' weights
            result.scores["images_seen"] = seen
            with suppress(UserError):  # samples do not need the data
                count = len(inputs.training)
                result.scores["epochs"] = seen / count
                result.remarks.append(f"of {count:,} training images")
        return result


@checked
@dataclass
class SortedSamples(Figure):
    """A grid of samples in descending order of the discriminator's probability of being real."""

    rows: Count
    columns: Count

    title = "samples, sorted by the discriminator"
    differs: ClassVar = ("the discriminator's batch norm uses all samples as one batch, as in the authors' sampling",)

    def make(self, inputs: FigureInputs) -> FigureResult:
        model, count = inputs.model, self.rows * self.columns
        images = model.system.sample(count, inputs.seed)
        logits = discriminate(model, images, model.system.labels_for(Request.first(count), inputs.seed))
        order = logits.argsort(descending=True)
        probabilities = logits[order].sigmoid().view(self.rows, self.columns).mean(dim=1)
        return FigureResult(
            {"": image_grid(images[order].unflatten(0, (self.rows, self.columns)))},
            scores={"first_row": probabilities[0].item(), "last_row": probabilities[-1].item()},
            remarks=["scores: the mean probability of being real in the first and in the last row"],
            differs=other_data(model, images, ("imagenet", 32, 128), "ImageNet-1k, 32x32, width 128"),
        )


def discriminate(model: Model, images: Tensor, labels: Tensor | None) -> Tensor:
    """Return the logits (N,) of uint8 images (N, C, H, W), and of their labels, under their common batch statistics."""
    pixels = to_floats(images.to(model.device).permute(0, 2, 3, 1), model.value_range)
    condition = (value.to(model.device) for value in model.system.condition(labels))
    with sampling(model.discriminator, "batch"):
        return torch.as_tensor(model.discriminator(pixels, *condition)).float().cpu()


def other_data(model: Model, images: Tensor, paper: tuple[str, int, int], description: str) -> list[str]:
    """Return a line that names a model's data, image size and width, unless they are the paper's.

    ``paper`` is the name of its data, the side of its images and the width of its networks; ``description`` says it in
    words.
    """
    height, width = images.shape[2:]
    if (model.data_name, height, model.width) == paper:
        return []
    ours = f"{model.data_name}, {width}x{height}" + (f", width {model.width}" if model.width else "")
    return [f"our samples: {ours}; the paper's: {description}"]
