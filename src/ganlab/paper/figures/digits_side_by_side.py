"""Figure 9: digits of the data, of the original GAN and of the DCGAN, side by side."""

from typing import ClassVar

import torch
from torch import Tensor

from ganlab.arguments import Count
from ganlab.data.batches import channels_first
from ganlab.errors import UserError
from ganlab.latent.pictures import beside, sheet
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.paper.figure import Claim, Item, Material, Model, Outcome

SCORED = 2_000  # samples that the classifier judges


class SideBySide(Item):
    """Three grids: real images, samples of the baseline GAN, samples of the DCGAN.

    Args:
        rows: of each grid (paper: 20 of 10).
        columns: of each grid.
    """

    title = "real digits, the original GAN's and the DCGAN's"
    needs: ClassVar = ("checkpoint", "baseline")
    differs: ClassVar = ("the score: how often a classifier of the data sees the class that was asked for",)
    claims: ClassVar = (
        Claim("the DCGAN draws what it is asked for more often than the GAN", "dcgan_right", "baseline_right"),
    )

    def __init__(self, rows: Count, columns: Count) -> None:
        self.rows, self.columns = rows, columns

    def make(self, material: Material) -> Outcome:
        """Draw the grids and, of conditional models, judge samples."""
        pack, models = material.training, [material.models["baseline"], material.model]
        sizes = [tuple(each.image()[0].shape[1:]) for each in models]
        if sizes[0] != sizes[1]:
            raise UserError(
                f"{models[0].name} (baseline) draws images of {sizes[0]} and {models[1].name} of {sizes[1]}: give two "
                "models of the same data"
            )
        grids = [sheet(self.real(material)), *(sheet(self.grid(model, material.seed)) for model in models)]
        outcome = Outcome({"": beside(grids)}, remarks=["left to right: real, the baseline GAN, the DCGAN"])
        if pack.labels is not None and pack.labels.ndim == 1:
            judge = material.judges.classifier(pack)
            for name, model in zip(("baseline_right", "dcgan_right"), models, strict=True):
                if model.system.classes:
                    outcome.scores[name] = share_right(model, judge, material.seed)
            outcome.scores["classifier"] = judge.accuracy[next(iter(judge.accuracy))]
        return outcome

    def real(self, material: Material) -> Tensor:
        """Return real images (rows, columns, C, H, W), row by row as they come."""
        order = torch.randperm(len(material.training), generator=torch.Generator().manual_seed(material.seed))
        chosen = order[: self.rows * self.columns].sort().values.numpy()
        images = channels_first(material.training.images[chosen])
        return images.unflatten(0, (self.rows, self.columns))

    def grid(self, model: Model, seed: int) -> Tensor:
        """Return samples (rows, columns, C, H, W)."""
        count = self.rows * self.columns
        return model.system.sample(count, seed, count).unflatten(0, (self.rows, self.columns))


def share_right(model: Model, judge: ClassifierFeatures, seed: int, batch_size: int = 100) -> float:
    """Return the share of a conditional model's samples that a classifier takes for what was asked."""
    right, total = 0, 0
    for index in range(SCORED // batch_size):
        images = model.system.generation_batch(index, batch_size, seed).cpu()
        asked = model.system.generation_labels(index, batch_size, seed)
        assert asked is not None, "asked of conditional models alone"
        with torch.no_grad():
            answers = next(iter(judge.by_factor(judge(images)).values())).argmax(dim=1)
        right, total = right + int((answers == asked.cpu()).sum()), total + batch_size
    return right / total
