"""Figure 4: latent interpolation between random points."""

from dataclasses import dataclass
from typing import ClassVar

from ganlab.arguments import Count, checked
from ganlab.data.batches import channels_first
from ganlab.latent.interpolation import walk
from ganlab.latent.pictures import image_grid
from ganlab.latent.scoring import score_walk
from ganlab.latent.video import frames
from ganlab.paper.figure import Claim, Figure, FigureInputs, FigureResult

REALS = 10_000  # training images of the memorising baseline


@checked
@dataclass
class LatentWalk(Figure):
    """Rows of images from one random point to the next; the last image of a row is the first of the next."""

    rows: Count  # the paper's 10 rows join 11 points, see `ganlab.latent.interpolation.walk`
    columns: Count  # images per row
    how: str  # linear or spherical
    statistics: str  # of batch norm, see `ganlab.latent.sampler.Sampler`

    title = "a walk in the latent space"
    differs: ClassVar = (
        "smoothness: the largest step over the mean step of a row, in pixels; the paper judges by eye",
    )
    claims: ClassVar = (
        Claim(
            "no sharp transitions: steps are more even than those of a model that memorised its training images",
            "largest_step_memorised",
            "largest_step",
        ),
    )

    def make(self, inputs: FigureInputs) -> FigureResult:
        sampler = inputs.model.sampler(self.statistics)
        images = sampler(walk(sampler.draw(self.rows + 1, inputs.seed), self.columns, self.how))
        pack = inputs.training
        chosen = slice(None, None, max(1, len(pack) // REALS))
        reals = channels_first(pack.images[chosen][:REALS])
        scores = score_walk(images, reals)
        alone = f"{self.statistics} batch statistics, so that an image depends on its latent alone"
        return FigureResult(
            {"": image_grid(images)},
            {"": frames(images, back=True)},
            {
                "largest_step": scores["walk"].largest.nanmean().item(),
                "mean_step": scores["walk"].mean.mean().item(),
                "largest_step_memorised": scores["memorised"].largest.nanmean().item(),
            },
            [f"{self.how} walk; memorised: the nearest of {len(reals):,} training images"],
            [] if self.statistics == "batch" else [f"{alone} (the authors: of the batch)"],
        )
