"""Figure 8: the turn vector, from faces that look left to faces that look right."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganlab.arguments import Count, NonNegative, Several, checked
from ganlab.classifiers.training import Training
from ganlab.errors import UserError
from ganlab.latent.directions import along, turn_vector
from ganlab.latent.exemplars import read_exemplars
from ganlab.latent.pictures import image_grid
from ganlab.latent.regression import FactorRegressor
from ganlab.latent.sampler import Sampler
from ganlab.latent.scoring import random_direction, score_direction
from ganlab.paper.figure import STANDING, Candidates, Claim, Figure, FigureInputs, FigureResult

DRAWN, SHOWN, SCORED = range(3)  # random streams of a seed
OFFERED = 144  # samples that a person picks from
RANDOM = 10  # random directions of the baseline
ENDS = ("left", "right")


@checked
@dataclass
class TurnVector(Figure):
    """The difference between the means of a few exemplars of either side, added to random samples."""

    rows: Count  # samples that are turned
    columns: Count  # steps of the turn
    exemplars: Count  # of either side
    among: Several  # samples from which the exemplars are chosen, by their smallest and largest predicted values
    reach: NonNegative  # largest multiple of the turn vector, in both directions
    factor: str  # that a network trained on the data predicts from images
    scored: Several  # samples scored
    reader: dict  # hyperparameters of that network, see `ganlab.classifiers.training.Training`

    title = "the turn vector"
    differs: ClassVar = (STANDING, "the paper does not state the reach of the interpolation")
    claims: ClassVar = (
        Claim("the pose follows the steps more closely than along random directions", "correlation", "random"),
    )

    def make(self, inputs: FigureInputs) -> FigureResult:
        sampler, pack, result = inputs.model.sampler(), inputs.training, FigureResult()
        picked = None if inputs.exemplars is None else read_exemplars(inputs.exemplars, ENDS, sampler)
        known = self.factor in (pack.manifest.get("factors") or [])
        regressor = inputs.classifiers.regressor(pack, self.factor, Training(**self.reader)) if known else None
        if picked is not None:
            left, right = (picked[name] for name in ENDS)
            result.remarks.append(f"exemplars: {inputs.exemplars}")
        elif regressor is not None:
            left, right = self.ends(sampler, regressor, inputs.seed)
            result.differs.append(
                f"exemplars have the extreme values of {self.factor} as a network trained on the truth predicts it; "
                "the paper's are chosen by eye"
            )
        else:
            raise UserError(
                f"{pack.manifest['source']} has no factor {self.factor} to choose exemplars by: name some that look "
                "left and right in a file, exemplars=FILE"
            )
        vector = turn_vector(left, right)
        shown = sampler.draw(self.rows, inputs.seed, SHOWN)
        result.pictures[""] = image_grid(sampler(along(shown, vector, self.columns, self.reach)))
        result.pictures["exemplars"] = image_grid(torch.stack([sampler(left), sampler(right)]))
        if regressor is not None:
            latents = sampler.draw(self.scored, inputs.seed, SCORED)
            others = [random_direction(vector, inputs.seed + n) for n in range(RANDOM)]
            found, *baseline = (
                score_direction(sampler, regressor, latents, direction, self.columns, self.reach)
                for direction in (vector, *others)
            )
            result.scores = {
                "correlation": found.overall,
                "correlation_in_a_row": found.by_row.nanmean().item(),
                "change": found.change,
                "random": torch.tensor([other.overall for other in baseline]).abs().nanmean().item(),
                "reader": regressor.correlation,
            }
            result.remarks.append(
                f"correlation: of {self.factor}, predicted for {self.scored} samples at {self.columns} steps, with the "
                f"step; random: mean absolute correlation along {RANDOM} random directions of the same length; reader: "
                f"correlation of predictions with the truth on {regressor.held_out} held-out images"
            )
        return result

    def ends(self, sampler: Sampler, regressor: FactorRegressor, seed: int) -> tuple[Tensor, Tensor]:
        """Return the latents (exemplars, latent_size) of the smallest and of the largest values among samples."""
        latents = sampler.draw(self.among, seed, DRAWN)
        order = regressor(sampler(latents)).argsort()
        return latents[order[: self.exemplars]], latents[order[-self.exemplars :]]

    def candidates(self, inputs: FigureInputs) -> Candidates:
        sampler = inputs.model.sampler()
        latents = sampler.draw(OFFERED, inputs.seed, DRAWN)
        task = f"Choose a side, then click {self.exemplars} samples that look that way; then the other side."
        return Candidates(latents, sampler(latents), ENDS, task)
