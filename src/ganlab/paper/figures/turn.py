"""Figure 8: the turn vector, from faces that look left to faces that look right."""

from typing import ClassVar

import torch
from torch import Tensor

from ganlab.arguments import Count, NonNegative, Several
from ganlab.classifiers.training import Training
from ganlab.errors import UserError
from ganlab.latent.directions import along, turn
from ganlab.latent.exemplars import read_exemplars
from ganlab.latent.pictures import sheet
from ganlab.latent.regression import FactorReader
from ganlab.latent.sampler import Sampler
from ganlab.latent.scoring import random_direction, score_turn
from ganlab.paper.figure import Choices, Claim, Item, Material, Outcome

DRAWN, SHOWN, SCORED = range(3)  # streams of a seed
OFFERED = 144  # samples that a person picks from
RANDOM = 10  # directions that the turn is compared with
ENDS = ("left", "right")


class Turn(Item):
    """A direction made of a few exemplars at either end, added to random samples.

    Args:
        rows: samples that are turned.
        columns: steps of the turn.
        exemplars: at either end.
        among: samples that the exemplars are chosen among, by the largest and the least values read.
        reach: farthest multiple of the turn vector, both ways.
        factor: number that a network trained on the data reads off the images.
        scored: samples that the score is taken of.
        reader: how that network is trained, values of `ganlab.classifiers.training.Training`.
    """

    title = "the turn vector"
    differs: ClassVar = (
        "standing batch statistics (the authors: of the batch)",
        "the reach of the interpolation is not told in the paper",
    )
    claims: ClassVar = (
        Claim("the pose follows the steps more closely than along random directions", "correlation", "random"),
    )

    def __init__(
        self,
        rows: Count,
        columns: Count,
        exemplars: Count,
        among: Several,
        reach: NonNegative,
        factor: str,
        scored: Several,
        reader: dict,
    ) -> None:
        self.rows, self.columns, self.exemplars, self.among = rows, columns, exemplars, among
        self.reach, self.factor, self.scored, self.reader = reach, factor, scored, Training(**reader)

    def make(self, material: Material) -> Outcome:
        """Find the vector, show it, and correlate the value with the steps."""
        sampler, pack, outcome = material.model.sampler(), material.training, Outcome()
        named = None if material.exemplars is None else read_exemplars(material.exemplars, ENDS, sampler)
        known = self.factor in (pack.manifest.get("factors") or [])
        read = material.judges.reader(pack, self.factor, self.reader) if known else None
        if named is not None:
            left, right = (named[name] for name in ENDS)
            outcome.remarks.append(f"exemplars: {material.exemplars}")
        elif read is not None:
            left, right = self.ends(sampler, read, material.seed)
            outcome.differs.append(
                f"exemplars are the ends of {self.factor} as a network reads it that was trained on the truth; the "
                "paper's were chosen by eye"
            )
        else:
            raise UserError(
                f"{pack.manifest['source']} does not know the factor {self.factor} to choose exemplars by: name some "
                "that look left and right in a file, exemplars=FILE"
            )
        vector = turn(left, right)
        shown = sampler.draw(self.rows, material.seed, SHOWN)
        outcome.pictures[""] = sheet(sampler(along(shown, vector, self.columns, self.reach)))
        outcome.pictures["exemplars"] = sheet(torch.stack([sampler(left), sampler(right)]))
        if read is not None:
            latents = sampler.draw(self.scored, material.seed, SCORED)
            others = [random_direction(vector, material.seed + n) for n in range(RANDOM)]
            found, *compared = (
                score_turn(sampler, read, latents, direction, self.columns, self.reach)
                for direction in (vector, *others)
            )
            outcome.scores = {
                "correlation": found.overall,
                "correlation_in_a_row": found.by_row.nanmean().item(),
                "change": found.change,
                "random": torch.tensor([other.overall for other in compared]).abs().nanmean().item(),
                "reader": read.correlation,
            }
            outcome.remarks.append(
                f"correlation of {self.factor}, read off {self.scored} samples at {self.columns} steps, with the step; "
                f"random: mean absolute one along {RANDOM} random directions of the same length; reader: its own with "
                f"the truth on {read.held_out} images held out"
            )
        return outcome

    def ends(self, sampler: Sampler, read: FactorReader, seed: int) -> tuple[Tensor, Tensor]:
        """Return the latents (exemplars, latent_size) of the least and of the largest values among samples."""
        latents = sampler.draw(self.among, seed, DRAWN)
        order = read(sampler(latents)).argsort()
        return latents[order[: self.exemplars]], latents[order[-self.exemplars :]]

    def choices(self, material: Material) -> Choices:
        """Samples to name those that look left and right in."""
        sampler = material.model.sampler()
        latents = sampler.draw(OFFERED, material.seed, DRAWN)
        task = f"Choose a side, then click {self.exemplars} samples that look that way; then the other."
        return Choices(latents, sampler(latents), ENDS, task)
