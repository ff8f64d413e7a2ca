"""Figure 7: sums of concepts in the latent space, and the same sums in pixels."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ganlab.arguments import Count, Natural, Share
from ganlab.classifiers.labelled import Labelled
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.latent.arithmetic import neighbourhood, pixel_total, total
from ganlab.latent.exemplars import Wanted, choose_exemplars, judge_of, read_exemplars
from ganlab.latent.pictures import arithmetic_picture
from ganlab.latent.sampler import Sampler
from ganlab.latent.scoring import Sum, distances_to_shown, draw_sums, score_arithmetic
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.paper.figure import Choices, Claim, Item, Material, Outcome
from ganlab.systems.clock import generator_of

OFFERED = 144  # samples that a person picks from
CONCEPTS = ("first", "second", "third")  # first - second + third
DISTANT = ("means_of_three", "single", "pixels_of_three", "pixels_single")  # sums that are compared with samples


class VectorArithmetic(Item):
    """Means of exemplars of three concepts, added and subtracted: first - second + third, and eight neighbours.

    Args:
        concepts: by ``first``, ``second``, ``third`` and ``result``: what a classifier trained on the data's labels is
            to see, as ``["hair:1", "glasses:0"]``. Exemplars that a person has named take the places of those that it
            would choose, not of its scores.
        exemplars: of each concept.
        trials: sums that are scored.
        pool: exemplars that the trials choose among, of each concept.
        least: probability that makes an exemplar.
    """

    title = "vector arithmetic for visual concepts"
    published: ClassVar = {"means_of_three": "stable (by eye)", "single": "unstable (by eye)"}
    differs: ClassVar = ("standing batch statistics (the authors: of the batch)",)
    claims: ClassVar = (
        Claim("the sum of means shows what is wanted more often than samples at random", "means_of_three", "chance"),
        Claim("means of three are more stable than single exemplars", "means_of_three", "single"),
        Claim("sums of latents show it more often than sums of pixels", "means_of_three", "pixels_of_three"),
        Claim(
            "sums of latents are nearer to samples that show it by themselves than sums of pixels are",
            "fid_classifier_pixels_of_three",
            "fid_classifier_means_of_three",
        ),
    )

    def __init__(
        self, concepts: Mapping[str, Sequence[str]], exemplars: Count, trials: Natural, pool: Count, least: Share
    ) -> None:
        self.sum = Sum(**{name: wanted(values) for name, values in concepts.items()})
        self.exemplars, self.trials, self.pool, self.least = exemplars, trials, pool, least

    def make(self, material: Material) -> Outcome:
        """Draw the figure, and score sums where the data's labels tell what they show."""
        sampler, outcome = material.model.sampler(), Outcome()
        concepts = [getattr(self.sum, name) for name in CONCEPTS]
        pack = material.training
        told = told_apart(pack)
        asked = dict.fromkeys(factor for part in (*concepts, self.sum.result) for factor in part)
        named = None if material.exemplars is None else read_exemplars(material.exemplars, CONCEPTS, sampler)
        judged = bool(told) if named is None else self.trials > 0 and asked.keys() <= told
        classifier = material.judges.classifier(pack) if judged else None
        if named is not None:
            chosen = [named[name] for name in CONCEPTS]
            outcome.remarks.append(f"exemplars: {material.exemplars}")
        elif classifier is not None:
            outcome.differs.append("exemplars shown are chosen by a classifier of the labels; the paper's were by eye")
            chosen = [
                choose_exemplars(sampler, judge_of(classifier), concept, self.exemplars, material.seed + n, self.least)
                for n, concept in enumerate(concepts)
            ]
        else:
            raise UserError(
                f"{pack.manifest['source']} has no labels to choose exemplars by: name them in a file, "
                "exemplars=FILE (python src/reproduce.py figure=7 checkpoint=... pick=PAGE.html makes one by clicks)"
            )
        outcome.pictures[""] = self.picture(sampler, chosen, material.seed)
        if classifier is not None:
            known = [factor for factor in asked if factor in classifier.accuracy]
            outcome.scores = {f"classifier_{factor}": classifier.accuracy[factor] for factor in known}
            outcome.remarks.append(
                f"classifier_...: its share of right answers on {classifier.held_out:,} images held out, by factor"
            )
            if self.trials:
                self.score(outcome, sampler, classifier, material.seed)
        return outcome

    def score(self, outcome: Outcome, sampler: Sampler, classifier: ClassifierFeatures, seed: int) -> None:
        """Add how often sums show what is wanted, and how far they are from samples that show it by themselves."""
        judge, result = judge_of(classifier), self.sum.result
        images = draw_sums(sampler, judge, self.sum, self.trials, seed, self.pool, self.least)
        outcome.scores |= {name: share.value for name, share in score_arithmetic(images, judge, result).items()}
        compared = {name: images[name] for name in DISTANT}
        distances = distances_to_shown(sampler, classifier, compared, result, seed, self.least)
        outcome.scores |= {f"fid_classifier_{name}": distance for name, distance in distances.items()}
        outcome.remarks += [
            f"shares of {self.trials} sums that show {spelt(result)}",
            f"fid_classifier: of {self.trials} sums to as many samples that show {spelt(result)} by themselves, in the "
            "features of the same classifier",
        ]
        outcome.differs.append(
            "exemplars of the sums that are scored, and what these show, are told by a classifier of the labels; the "
            "paper's were chosen and judged by eye"
        )

    def choices(self, material: Material) -> Choices:
        """Samples to name the three concepts in."""
        sampler = material.model.sampler()
        latents = sampler.draw(OFFERED, material.seed)
        task = f"Choose a concept, then click {self.exemplars} samples that show it. The sum is first - second + third."
        return Choices(latents, sampler(latents), CONCEPTS, task)

    @staticmethod
    def picture(sampler: Sampler, chosen: list[Tensor], seed: int) -> Tensor:
        """Return the figure of exemplars (n, latent_size) of three concepts."""
        shown = torch.stack([sampler(latents) for latents in chosen])
        means = sampler(torch.stack([latents.mean(dim=0) for latents in chosen]))
        sums = sampler(neighbourhood(total(*chosen), generator_of(seed)))
        return arithmetic_picture(shown, means, sums, pixel_total(*shown))


def told_apart(pack: Pack) -> set[str]:
    """Return what a pack's labels tell apart; nothing where it has none."""
    try:
        return set(Labelled.of(pack).factors)
    except UserError:
        return set()


def wanted(values: Sequence[str]) -> Wanted:
    """Return values by factor, of ``["hair:1", "glasses:0"]``; ``UserError`` for anything else."""
    pairs = [str(value).partition(":")[::2] for value in values]
    if not all(number.strip().isdecimal() for _, number in pairs):
        raise UserError(f"figure.concepts: {list(values)} are no values: type them as [hair:1,glasses:0]")
    return {factor.strip(): int(number) for factor, number in pairs}


def spelt(values: Wanted) -> str:
    """Return ``hair:1, glasses:0``."""
    return ", ".join(f"{factor}:{value}" for factor, value in values.items())
