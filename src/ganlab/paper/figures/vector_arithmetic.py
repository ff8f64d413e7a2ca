"""Figure 7: vector arithmetic for visual concepts in the latent space, and the same sums in pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganlab.arguments import Count, Natural, Share, checked
from ganlab.classifiers.labelled import Labelled
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.latent.arithmetic import concept_sum, neighbourhood, pixel_sum
from ganlab.latent.exemplars import Attributes, attribute_classifier, choose_exemplars, read_exemplars
from ganlab.latent.pictures import arithmetic_picture
from ganlab.latent.sampler import Sampler
from ganlab.latent.scoring import ConceptSum, distances_to_samples, draw_sums, score_arithmetic
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.paper.figure import STANDING, Candidates, Claim, Figure, FigureInputs, FigureResult
from ganlab.systems.clock import generator_of

OFFERED = 144  # samples that a person picks from
CONCEPTS = ("first", "second", "third")  # first - second + third
DISTANT = ("means_of_three", "single", "pixels_of_three", "pixels_single")  # sums that are compared with samples


@checked
@dataclass
class VectorArithmetic(Figure):
    """first - second + third of the means of three concepts' exemplars; a file replaces those of the picture only."""

    concepts: Mapping[str, Sequence[str]]  # label values of first, second, third and result: ["hair:1", "glasses:0"]
    exemplars: Count  # per concept
    trials: Natural  # sums that are scored
    pool: Count  # exemplars per concept that the trials draw from
    least: Share  # probability that makes an exemplar

    title = "vector arithmetic for visual concepts"
    published: ClassVar = {"means_of_three": "stable (by eye)", "single": "unstable (by eye)"}
    differs: ClassVar = (STANDING,)
    claims: ClassVar = (
        Claim("the sum of means shows the result more often than random samples", "means_of_three", "chance"),
        Claim("means of three are more stable than single exemplars", "means_of_three", "single"),
        Claim("sums of latents show the result more often than sums of pixels", "means_of_three", "pixels_of_three"),
        Claim(
            "sums of latents are closer to samples that show the result than sums of pixels are",
            "fid_classifier_pixels_of_three",
            "fid_classifier_means_of_three",
        ),
    )

    def __post_init__(self) -> None:
        self.sum = ConceptSum(**{name: attributes(values) for name, values in self.concepts.items()})

    def make(self, inputs: FigureInputs) -> FigureResult:
        sampler, result, pack = inputs.model.sampler(), FigureResult(), inputs.training
        concepts = [getattr(self.sum, name) for name in CONCEPTS]
        known = factors_of(pack)
        needed = dict.fromkeys(factor for part in (*concepts, self.sum.result) for factor in part)
        picked = None if inputs.exemplars is None else read_exemplars(inputs.exemplars, CONCEPTS, sampler)
        scored = bool(known) if picked is None else self.trials > 0 and needed.keys() <= known
        features = inputs.classifiers.classifier(pack) if scored else None
        if picked is not None:
            chosen = [picked[name] for name in CONCEPTS]
            result.remarks.append(f"exemplars: {inputs.exemplars}")
        elif features is not None:
            result.differs.append("a classifier of the labels chooses the exemplars shown; the paper's are by eye")
            classifier = attribute_classifier(features)
            chosen = [
                choose_exemplars(sampler, classifier, concept, self.exemplars, inputs.seed + n, self.least)
                for n, concept in enumerate(concepts)
            ]
        else:
            raise UserError(
                f"{pack.manifest['source']} has no labels to choose exemplars by: name them in a file, "
                "exemplars=FILE (python src/reproduce.py figure=7 checkpoint=... pick=PAGE.html makes one by clicks)"
            )
        result.pictures[""] = self.picture(sampler, chosen, inputs.seed)
        if features is not None:
            result.scores = {
                f"classifier_{name}": features.accuracy[name] for name in needed if name in features.accuracy
            }
            result.remarks.append(f"classifier_...: its accuracy by factor on {features.held_out:,} held-out images")
            if self.trials:
                self.score(result, sampler, features, inputs.seed)
        return result

    def score(self, result: FigureResult, sampler: Sampler, features: ClassifierFeatures, seed: int) -> None:
        """Add how often sums show the result, and their distance to samples that show it."""
        classifier, wanted = attribute_classifier(features), self.sum.result
        images = draw_sums(sampler, classifier, self.sum, self.trials, seed, self.pool, self.least)
        shares = score_arithmetic(images, classifier, wanted)
        result.scores |= {name: share.value for name, share in shares.items()}
        compared = {name: images[name] for name in DISTANT}
        distances = distances_to_samples(sampler, features, compared, wanted, seed, self.least)
        result.scores |= {f"fid_classifier_{name}": distance for name, distance in distances.items()}
        shown = ", ".join(f"{factor}:{value}" for factor, value in wanted.items())
        result.remarks += [
            f"shares of {self.trials} sums that show {shown}",
            f"fid_classifier: of {self.trials} sums to as many samples that show {shown}, in the features of the same "
            "classifier",
        ]
        result.differs.append(
            "a classifier of the labels chooses the exemplars of scored sums and classifies the sums; the paper's are "
            "by eye"
        )

    def candidates(self, inputs: FigureInputs) -> Candidates:
        sampler = inputs.model.sampler()
        latents = sampler.draw(OFFERED, inputs.seed)
        task = f"Choose a concept, then click {self.exemplars} samples that show it. The sum is first - second + third."
        return Candidates(latents, sampler(latents), CONCEPTS, task)

    @staticmethod
    def picture(sampler: Sampler, chosen: list[Tensor], seed: int) -> Tensor:
        """Return the figure of exemplars (n, latent_size) of three concepts."""
        shown = torch.stack([sampler(latents) for latents in chosen])
        means = sampler(torch.stack([latents.mean(dim=0) for latents in chosen]))
        sums = sampler(neighbourhood(concept_sum(*chosen), generator_of(seed)))
        return arithmetic_picture(shown, means, sums, pixel_sum(*shown))


def factors_of(pack: Pack) -> set[str]:
    """Return the factors of a pack's labels; none if it has no labels."""
    try:
        return set(Labelled.of(pack).factors)
    except UserError:
        return set()


def attributes(values: Sequence[str]) -> Attributes:
    """Return values by factor, from ``["hair:1", "glasses:0"]``; ``UserError`` for anything else."""
    pairs = [str(value).partition(":")[::2] for value in values]
    if not all(number.strip().isdecimal() for _, number in pairs):
        raise UserError(f"figure.concepts: {list(values)} is malformed: type values as [hair:1,glasses:0]")
    return {factor.strip(): int(number) for factor, number in pairs}
