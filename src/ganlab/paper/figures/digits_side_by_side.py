"""Figure 9: real digits, samples of the original GAN and of the DCGAN, side by side."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from ganlab.arguments import Count, checked
from ganlab.data.batches import channels_first
from ganlab.errors import UserError
from ganlab.latent.exemplars import attribute_classifier
from ganlab.latent.pictures import image_grid, side_by_side
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.paper.figure import Claim, Figure, FigureInputs, FigureResult, Model
from ganlab.systems.request import BLOCK, Request

SCORED = 2_000  # samples that are classified


@checked
@dataclass
class SideBySide(Figure):
    """Three grids: real images, samples of the baseline GAN, samples of the DCGAN."""

    rows: Count  # of each grid (paper: 20 rows of 10)
    columns: Count

    title = "real digits, the original GAN's and the DCGAN's"
    needs: ClassVar = ("checkpoint", "baseline")
    differs: ClassVar = ("the score: the share of samples in which a classifier of the data sees the requested class",)
    claims: ClassVar = (
        Claim("the DCGAN draws the requested digit more often than the GAN", "dcgan_right", "baseline_right"),
    )

    def make(self, inputs: FigureInputs) -> FigureResult:
        pack, models = inputs.training, [inputs.models["baseline"], inputs.model]
        sizes = [tuple(each.discriminator_inputs()[0].shape[1:]) for each in models]
        if sizes[0] != sizes[1]:
            raise UserError(
                f"{models[0].name} (baseline) has images of {sizes[0]} and {models[1].name} of {sizes[1]}: give two "
                "models of the same data"
            )
        count = self.rows * self.columns
        order = torch.randperm(len(pack), generator=torch.Generator().manual_seed(inputs.seed))
        reals = channels_first(pack.images[order[:count].sort().values.numpy()])
        shown = [reals, *(each.system.sample(count, inputs.seed) for each in models)]
        grids = [image_grid(images.unflatten(0, (self.rows, self.columns))) for images in shown]
        result = FigureResult({"": side_by_side(grids)}, remarks=["left to right: real, the baseline GAN, the DCGAN"])
        if pack.labels is not None and pack.labels.ndim == 1:
            classifier = inputs.classifiers.classifier(pack)
            for name, model in zip(("baseline_right", "dcgan_right"), models, strict=True):
                if model.system.classes:
                    result.scores[name] = share_right(model, classifier, inputs.seed)
            result.scores["classifier"] = next(iter(classifier.accuracy.values()))
        return result


def share_right(model: Model, classifier: ClassifierFeatures, seed: int) -> float:
    """Return the share of a conditional model's samples in which a classifier sees the requested class."""
    right, classify = 0, attribute_classifier(classifier)
    for indices in torch.arange(SCORED).split(BLOCK):
        request = Request(indices)
        images, labels = model.system.respond(request, seed).cpu(), model.system.labels_for(request, seed)
        assert labels is not None, "only conditional models are scored"
        right += int(next(iter(classify(images).values())).argmax(dim=1).eq(labels).sum())
    return right / SCORED
