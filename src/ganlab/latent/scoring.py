"""Scores of latent-space figures: how often a sum, a direction or a walk does what the paper claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from ganlab.latent.arithmetic import CENTRE, concept_sum, neighbourhood, pixel_sum
from ganlab.latent.directions import along, multiples
from ganlab.latent.exemplars import (
    AttributeClassifier,
    Attributes,
    attribute_classifier,
    choose_exemplars,
    least_probability,
)
from ganlab.latent.interpolation import Distance, Smoothness, pixels, smoothness
from ganlab.latent.regression import Regressor
from ganlab.latent.sampler import Sampler
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.systems.clock import generator_of, seed_of

EXEMPLARS = 3  # averaged per concept (paper)
BATCH = 1_000  # real images compared at once
POOL, TRIALS, NOISE = range(3)  # random streams of a seed
RESULT = 3  # the pool of samples that show the result, after those of the three concepts


@dataclass(frozen=True)
class ConceptSum:
    """A sum of concepts, first - second + third, and the attributes that its result is to show."""

    first: Attributes  # such as {"smile": 1, "glasses": 0}
    second: Attributes
    third: Attributes
    result: Attributes


class Share(NamedTuple):
    """A share of trials and its standard error, which is too small for trials from one pool of exemplars, as ours."""

    value: float
    error: float


def share_of(right: Tensor) -> Share:
    """Return the share of true entries of booleans (N,)."""
    value = right.float().mean().item()
    return Share(value, sqrt(value * (1 - value) / len(right)))


def draw_sums(
    sampler: Sampler,
    classifier: AttributeClassifier,
    task: ConceptSum,
    trials: int,
    seed: int = 0,
    pool: int = 30,
    least: float = 0.9,
) -> dict[str, Tensor]:
    """Return images uint8 (N, C, H, W) of ``trials`` sums of concepts, computed in several ways.

    Each trial draws three exemplars of each concept from its pool; the first of them is also used alone. The paper
    claims that single exemplars are unstable and means of three are not. For ``least`` and errors see
    `choose_exemplars`.

    The names are ``means_of_three`` and ``single`` (sums of latents), ``neighbours`` (all nine latents around the sum
    of means), ``pixels_of_three`` and ``pixels_single`` (the same sums in pixels), and ``chance`` (random samples).
    """
    pools = [
        choose_exemplars(sampler, classifier, concept, pool, seed=seed_of(seed, POOL, i), least=least)
        for i, concept in enumerate((task.first, task.second, task.third))
    ]
    pool_images = [sampler(latents) for latents in pools]
    rng, noise = generator_of(seed, TRIALS), generator_of(seed, NOISE)
    sums: dict[str, list[Tensor]] = {"means_of_three": [], "single": [], "neighbours": []}
    images: dict[str, list[Tensor]] = {"pixels_of_three": [], "pixels_single": []}
    for _ in range(trials):
        drawn = [torch.randperm(pool, generator=rng)[:EXEMPLARS] for _ in pools]
        three = [latents[chosen] for latents, chosen in zip(pools, drawn, strict=True)]
        pictures = [each[chosen] for each, chosen in zip(pool_images, drawn, strict=True)]
        nine = neighbourhood(concept_sum(*three), noise)
        sums["means_of_three"].append(nine[CENTRE])
        sums["single"].append(concept_sum(*(latents[:1] for latents in three)))
        sums["neighbours"].append(nine)
        images["pixels_of_three"].append(pixel_sum(*pictures))
        images["pixels_single"].append(pixel_sum(*(each[:1] for each in pictures)))
    results = {name: sampler(torch.stack(latents)).flatten(0, -4) for name, latents in sums.items()}
    results |= {name: torch.stack(each) for name, each in images.items()}
    return results | {"chance": sampler(sampler.draw(max(trials, 100), seed, TRIALS))}


def score_arithmetic(
    images: Mapping[str, Tensor], classifier: AttributeClassifier, result: Attributes
) -> dict[str, Share]:
    """Return the share of `draw_sums`' images (N, C, H, W) in which the classifier sees the result's attributes."""
    return {name: share_of(least_probability(classifier(found), result) > 0.5) for name, found in images.items()}


def distances_to_samples(
    sampler: Sampler, features: Features, images: Mapping[str, Tensor], result: Attributes, seed: int, least: float
) -> dict[str, float]:
    """Return the Frechet distance of `draw_sums`' images (N, C, H, W) to as many samples that show the result.

    It detects what `score_arithmetic` cannot: a blend of faces may show all attributes and still be no face. For
    ``least`` and errors see `choose_exemplars`.
    """
    count = max(len(found) for found in images.values())
    classifier = attribute_classifier(features)
    chosen = choose_exemplars(sampler, classifier, result, count, seed_of(seed, POOL, RESULT), least)
    samples = FeatureStatistics.of(features, sampler(chosen).split(BATCH))
    return {
        name: frechet_distance(FeatureStatistics.of(features, found.split(BATCH)), samples)
        for name, found in images.items()
    }


class DirectionScore(NamedTuple):
    """How well a value follows the steps along a direction."""

    overall: float  # correlation of the value with the step over all images
    by_row: Tensor  # the same within each row (R,); NaN for a row of constant value
    change: float  # mean difference of the value between the last and the first image of a row


def score_direction(
    sampler: Sampler, regressor: Regressor, latents: Tensor, direction: Tensor, steps: int, reach: float
) -> DirectionScore:
    """Return how a regressor's value follows a direction (latent_size,) `along` latents (R, latent_size)."""
    images = sampler(along(latents, direction, steps, reach))
    values = regressor(images.flatten(0, 1)).view(len(latents), steps).double()
    moved = multiples(steps, reach).double().expand_as(values)
    by_row = _correlation(values, moved)
    overall = _correlation(values.flatten()[None], moved.flatten()[None])
    return DirectionScore(overall.item(), by_row, (values[:, -1] - values[:, 0]).mean().item())


def random_direction(like: Tensor, seed: int) -> Tensor:
    """Return a random direction (latent_size,) of the same length, the baseline of a turn vector."""
    drawn = torch.empty_like(like, device="cpu").normal_(generator=generator_of(seed, NOISE)).to(like)
    return drawn * (like.norm() / drawn.norm())


def memorised(images: Tensor, reals: Tensor, distance: Distance = pixels) -> Tensor:
    """Return a walk (rows, steps, C, H, W) as a model would show it that has memorised its training images.

    Each image is replaced by the nearest of the real ones, uint8 (N, C, H, W), in the features of ``distance``. The
    smoothness of the result is the baseline of a walk.
    """
    queries = distance(images.flatten(0, 1)).float()
    nearest = torch.full((len(queries),), torch.inf)
    index = torch.zeros(len(queries), dtype=torch.long)
    for start in range(0, len(reals), BATCH):
        found, place = torch.cdist(queries, distance(reals[start : start + BATCH]).float()).cpu().min(dim=1)
        index = torch.where(found < nearest, start + place, index)
        nearest = torch.minimum(found, nearest)
    return reals[index].view_as(images)


def score_walk(images: Tensor, reals: Tensor | None = None, distance: Distance = pixels) -> dict[str, Smoothness]:
    """Return the smoothness of a ``walk`` (rows, steps, C, H, W) and, given reals (N, C, H, W), of `memorised`."""
    scores = {"walk": smoothness(images, distance)}
    if reals is not None:
        scores["memorised"] = smoothness(memorised(images, reals, distance), distance)
    return scores


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's correlation of each row of a (R, n) with that of b: (R,), NaN where one is constant."""
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    return (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))
