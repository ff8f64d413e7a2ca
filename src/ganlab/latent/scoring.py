"""Numbers for the pictures of the latent space: how often a sum, a turn or a walk does what it is to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from ganlab.latent.arithmetic import CENTRE, neighbourhood, pixel_total, total
from ganlab.latent.directions import along, steps_of
from ganlab.latent.exemplars import Judge, Wanted, certainty, choose_exemplars, judge_of
from ganlab.latent.interpolation import Distance, Smoothness, pixels, smoothness
from ganlab.latent.regression import Read
from ganlab.latent.sampler import Sampler
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.systems.clock import generator_of, seed_of

EXEMPLARS = 3  # whose mean stands for a concept (paper)
COMPARED = 1_000  # reals compared at once
POOL, TRIALS, NOISE = range(3)  # streams of a seed
SHOWN = 3  # the pool of samples that show the result, behind those of the three concepts


@dataclass(frozen=True)
class Sum:
    """A sum of concepts, and what its result is to show: each a value by factor.

    ``Sum({"smile": 1, "glasses": 0}, {"smile": 0, "glasses": 0}, {"smile": 0, "glasses": 1}, {"smile": 1,
    "glasses": 1})`` adds a smile to glasses.
    """

    first: Wanted
    second: Wanted
    third: Wanted
    result: Wanted


class Share(NamedTuple):
    """A share of trials, and its standard error.

    The error is that of independent trials; trials here share a pool of exemplars, so seeds differ by more.
    """

    value: float
    error: float


def share_of(right: Tensor) -> Share:
    """Return the share of true entries of booleans (N,)."""
    value = right.float().mean().item()
    return Share(value, sqrt(value * (1 - value) / len(right)))


def draw_sums(
    sampler: Sampler, judge: Judge, task: Sum, trials: int, seed: int = 0, pool: int = 30, least: float = 0.9
) -> dict[str, Tensor]:
    """Return images uint8 (N, C, H, W) of sums of concepts, made in several ways, of ``trials``.

    In every trial, exemplars are taken at random out of a pool of each concept: three, of which the first is also taken
    by itself. The paper claims that single ones are unstable and three are not.

    Args:
        sampler: of all images.
        judge: a classifier trained on truth.
        task: the sum.
        trials: how many.
        seed: of pools, trials and noise.
        pool: exemplars to choose from, of each concept.
        least: the judge's probability that makes an exemplar, see `choose_exemplars`.

    Returns:
        ``means_of_three``, ``single`` (of latents, the centres), ``neighbours`` (all nine cells around the means' sum),
        ``pixels_of_three`` and ``pixels_single`` (the same sums of pixels), and ``chance`` (samples at random).

    Raises:
        UserError: too few exemplars are found.
    """
    concepts = (task.first, task.second, task.third)
    pools = [
        choose_exemplars(sampler, judge, wanted, pool, seed=seed_of(seed, POOL, i), least=least)
        for i, wanted in enumerate(concepts)
    ]
    shown = [sampler(latents) for latents in pools]
    rng, noise = generator_of(seed, TRIALS), generator_of(seed, NOISE)
    sums: dict[str, list[Tensor]] = {"means_of_three": [], "single": [], "neighbours": []}
    images: dict[str, list[Tensor]] = {"pixels_of_three": [], "pixels_single": []}
    for _ in range(trials):
        taken = [torch.randperm(pool, generator=rng)[:EXEMPLARS] for _ in concepts]
        three = [latents[chosen] for latents, chosen in zip(pools, taken, strict=True)]
        seen = [pictures[chosen] for pictures, chosen in zip(shown, taken, strict=True)]
        nine = neighbourhood(total(*three), noise)
        sums["means_of_three"].append(nine[CENTRE])
        sums["single"].append(total(*(latents[:1] for latents in three)))
        sums["neighbours"].append(nine)
        images["pixels_of_three"].append(pixel_total(*seen))
        images["pixels_single"].append(pixel_total(*(pictures[:1] for pictures in seen)))
    results = {name: sampler(torch.stack(latents)).flatten(0, -4) for name, latents in sums.items()}
    results |= {name: torch.stack(pictures) for name, pictures in images.items()}
    return results | {"chance": sampler(sampler.draw(max(trials, 100), seed, TRIALS))}


def score_arithmetic(images: Mapping[str, Tensor], judge: Judge, result: Wanted) -> dict[str, Share]:
    """Return how often images (N, C, H, W) of each name show what is wanted: each wanted value is the judge's answer.

    Args:
        images: of `draw_sums`.
        judge: a classifier trained on truth.
        result: what a sum is to show.
    """
    return {name: share_of(certainty(judge(found), result) > 0.5) for name, found in images.items()}


def distances_to_shown(
    sampler: Sampler, classifier: Features, images: Mapping[str, Tensor], result: Wanted, seed: int, least: float
) -> dict[str, float]:
    """Return the Frechet distance of images (N, C, H, W) of each name to as many samples that show the result.

    What `score_arithmetic` cannot see: a blend of faces may show all that is wanted and still be no face.

    Args:
        sampler: of the samples.
        classifier: trained on truth, whose features the distance is of.
        images: of `draw_sums`, an equal number of each.
        result: what a sum is to show.
        seed: of the samples.
        least: the classifier's probability that makes such a sample.

    Raises:
        UserError: too few of them are found.
    """
    count = max(len(found) for found in images.values())
    chosen = choose_exemplars(sampler, judge_of(classifier), result, count, seed_of(seed, POOL, SHOWN), least)
    shown = FeatureStatistics.of(classifier, sampler(chosen).split(COMPARED))
    return {
        name: frechet_distance(FeatureStatistics.of(classifier, found.split(COMPARED)), shown)
        for name, found in images.items()
    }


class Turning(NamedTuple):
    """How well a value follows the steps along a direction.

    Attributes:
        overall: correlation of the value with the step over all images.
        by_row: the same within each row (R,); nan where a row's value does not change.
        change: mean difference of the value between the last and the first image of a row.
    """

    overall: float
    by_row: Tensor
    change: float


def score_turn(sampler: Sampler, read: Read, latents: Tensor, direction: Tensor, steps: int, reach: float) -> Turning:
    """Return how a value, such as the pose, follows a direction added to latents, see `ganlab.latent.directions.along`.

    Args:
        sampler: of the images.
        read: reads the value off images, such as `ganlab.latent.regression.train_reader` makes.
        latents: (R, latent_size), to which the direction is added.
        direction: (latent_size,).
        steps: images of a row.
        reach: farthest multiple of the direction.
    """
    images = sampler(along(latents, direction, steps, reach))
    values = read(images.flatten(0, 1)).view(len(latents), steps).double()
    moved = steps_of(steps, reach).double().expand_as(values)
    by_row = _correlation(values, moved)
    overall = _correlation(values.flatten()[None], moved.flatten()[None])
    return Turning(overall.item(), by_row, (values[:, -1] - values[:, 0]).mean().item())


def random_direction(like: Tensor, seed: int) -> Tensor:
    """Return a random direction (latent_size,) of the same length: what a turn vector is compared with."""
    drawn = torch.empty_like(like, device="cpu").normal_(generator=generator_of(seed, NOISE)).to(like)
    return drawn * (like.norm() / drawn.norm())


def memorised(images: Tensor, reals: Tensor, distance: Distance = pixels) -> Tensor:
    """Return a walk (rows, steps, C, H, W) as a model shows it that knows its training images by heart, and no others.

    Each image is replaced by the nearest of the reals: what `smoothness` gives for it is the value to stay far below.

    Args:
        images: uint8 (rows, steps, C, H, W).
        reals: uint8 (N, C, H, W).
        distance: what images are compared by.
    """
    wanted = distance(images.flatten(0, 1)).float()
    nearest = torch.full((len(wanted),), torch.inf)
    index = torch.zeros(len(wanted), dtype=torch.long)
    for start in range(0, len(reals), COMPARED):
        found, place = torch.cdist(wanted, distance(reals[start : start + COMPARED]).float()).cpu().min(dim=1)
        index = torch.where(found < nearest, start + place, index)
        nearest = torch.minimum(found, nearest)
    return reals[index].view_as(images)


def score_walk(images: Tensor, reals: Tensor | None = None, distance: Distance = pixels) -> dict[str, Smoothness]:
    """Return the smoothness of a walk's images and, given reals, of the same walk through images known by heart.

    Args:
        images: uint8 (rows, steps, C, H, W).
        reals: uint8 (N, C, H, W) of the training set.
        distance: what images are compared by.
    """
    scores = {"walk": smoothness(images, distance)}
    if reals is not None:
        scores["memorised"] = smoothness(memorised(images, reals, distance), distance)
    return scores


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's correlation of each row of a (R, n) with that of b: (R,), nan where one is constant."""
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    return (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))
