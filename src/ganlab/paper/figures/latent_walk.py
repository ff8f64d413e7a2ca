"""Figure 4: a walk from point to point of the latent space."""

from typing import ClassVar

from ganlab.arguments import Count
from ganlab.data.batches import channels_first
from ganlab.latent.interpolation import walk
from ganlab.latent.pictures import sheet
from ganlab.latent.scoring import score_walk
from ganlab.latent.video import frames
from ganlab.paper.figure import Claim, Item, Material, Outcome

REALS = 10_000  # training images that a model that knows them by heart could show


class LatentWalk(Item):
    """Rows of images from one random point to the next, the last of a row being the first of the next.

    Args:
        rows: of the figure; the 9 points between the paper's 10 rows and the two ends make 11.
        columns: images of a row.
        how: ``linear`` or ``spherical``.
        statistics: of batch norm, see `ganlab.latent.sampler.Sampler`.
    """

    title = "a walk in the latent space"
    differs: ClassVar = (
        "smoothness is the largest step over the mean step of a row, in pixels; the paper looks at the picture",
    )
    claims: ClassVar = (
        Claim(
            "no sharp transitions: steps are more even than those of a model that knows its images by heart",
            "largest_step_memorised",
            "largest_step",
        ),
    )

    def __init__(self, rows: Count, columns: Count, how: str, statistics: str) -> None:
        self.rows, self.columns, self.how, self.statistics = rows, columns, how, statistics

    def make(self, material: Material) -> Outcome:
        """Walk, film, and measure how even the steps are."""
        sampler = material.model.sampler(self.statistics)
        images = sampler(walk(sampler.draw(self.rows + 1, material.seed), self.columns, self.how))
        pack = material.training
        chosen = slice(None, None, max(1, len(pack) // REALS))
        reals = channels_first(pack.images[chosen][:REALS])
        scores = score_walk(images, reals)
        alone = f"{self.statistics} batch statistics, so that an image depends on its own latent alone"
        return Outcome(
            {"": sheet(images)},
            {"": frames(images, back=True)},
            {
                "largest_step": scores["walk"].largest.nanmean().item(),
                "mean_step": scores["walk"].mean.mean().item(),
                "largest_step_memorised": scores["memorised"].largest.nanmean().item(),
            },
            [f"{self.how} walk; by heart: the nearest of {len(reals):,} training images"],
            [] if self.statistics == "batch" else [f"{alone} (the authors: of the batch)"],
        )
