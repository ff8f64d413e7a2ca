import pytest
import torch

from ganlab.errors import UserError
from ganlab.latent.directions import along
from ganlab.latent.exemplars import choose_exemplars
from ganlab.latent.interpolation import walk
from ganlab.latent.scoring import (
    ConceptSum,
    Share,
    distances_to_samples,
    draw_sums,
    memorised,
    random_direction,
    score_arithmetic,
    score_direction,
    score_walk,
    share_of,
)
from ganlab.metrics.extractors.features import Features

TASK = ConceptSum({"left": 1, "right": 0}, {"left": 0, "right": 0}, {"left": 0, "right": 1}, {"left": 1, "right": 1})


def test_sums_of_a_latent_space_that_adds_up_beat_chance(known, classify_known):
    def scored(seed: int) -> dict[str, Share]:
        return score_arithmetic(draw_sums(known, classify_known, TASK, 200, seed), classify_known, TASK.result)

    scores = scored(1)
    assert set(scores) == {"means_of_three", "single", "neighbours", "pixels_of_three", "pixels_single", "chance"}
    assert scores["means_of_three"].value > 0.97 and scores["neighbours"].value > 0.9
    # Of single exemplars x1 - x2 + x3 may have a sign of its own; the mean of three has it seldom.
    assert scores["means_of_three"].value >= scores["single"].value > 0.6
    assert abs(scores["chance"].value - 0.25) < 4 * scores["chance"].error
    assert scores == scored(1)
    assert scores != scored(2)


class Quarters(Features):
    """The brightness of each quarter; the upper two answer as the fixtures' classifier does."""

    name, num_features = "quarters", 4

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(images.float() / 255, 4)[:, 0].flatten(1)

    def by_factor(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: torch.stack([1 - lit, lit], 1) for name, lit in zip(("left", "right"), features.T, strict=False)}


def test_samples_that_show_the_result_are_nearer_to_each_other_than_noise(known, classify_known):
    shown = known(choose_exemplars(known, classify_known, TASK.result, 100, seed=5, least=0.5))
    noise = torch.randint(0, 256, shown.shape, generator=torch.Generator().manual_seed(0)).byte()
    given = {"same": shown, "noise": noise}
    found = distances_to_samples(known, Quarters(b""), given, TASK.result, seed=0, least=0.5)
    assert found.keys() == {"same", "noise"} and 0 <= found["same"] < found["noise"] / 2


def test_a_concept_that_nothing_shows_is_reported(known):
    with pytest.raises(UserError, match=r"show left=1, right=0"):
        draw_sums(known, lambda images: {n: torch.full((len(images), 2), 0.5) for n in ("left", "right")}, TASK, 2)


def test_the_error_of_a_share():
    share = share_of(torch.arange(100) < 20)
    assert share.value == pytest.approx(0.2) and share.error == pytest.approx(0.04)


def test_the_turn_is_followed_and_a_random_direction_is_not(known, read_known):
    turning = torch.nn.functional.one_hot(torch.tensor(2), 8).float()
    latents = known.draw(5, 0) * torch.tensor([1, 1, 0.2, 1, 1, 1, 1, 1])
    found = score_direction(known, read_known, latents, turning, 11, reach=0.8)
    assert found.overall > 0.95 and found.by_row.shape == (5,) and bool((found.by_row > 0.98).all())
    assert found.change > 0.8
    back = score_direction(known, read_known, latents, -turning, 11, reach=0.8)
    assert back.overall == pytest.approx(-found.overall, abs=1e-6) and back.change == pytest.approx(-found.change)
    still = torch.nn.functional.one_hot(torch.tensor(5), 8).float()
    unmoved = score_direction(known, read_known, latents, still, 11, reach=0.8)
    assert bool(unmoved.by_row.isnan().all()) and abs(unmoved.overall) < 1e-6 and unmoved.change == 0


def test_a_random_direction_is_as_long_as_the_one_that_it_stands_against():
    given = torch.tensor([3.0, 4.0])
    found = random_direction(given, 0)
    assert float(found.norm()) == pytest.approx(5) and torch.equal(found, random_direction(given, 0))
    assert not torch.equal(found, random_direction(given, 1))


def test_a_walk_through_images_memorised_jumps(known):
    latents = torch.zeros(2, 8)
    latents[:, 2] = torch.tensor([-0.9, 0.9])
    images = known(walk(latents, 9))
    reals = known(along(torch.zeros(1, 8), torch.nn.functional.one_hot(torch.tensor(2), 8).float(), 2)[0])
    scores = score_walk(images, reals)
    assert float(scores["walk"].largest[0]) < 2 and float(scores["memorised"].largest[0]) == pytest.approx(8)
    shown = memorised(images, reals)[0]
    assert torch.equal(shown[0], reals[0]) and torch.equal(shown[-1], reals[1])
    assert set(score_walk(images)) == {"walk"}


def test_the_nearest_image_is_found_across_chunks(monkeypatch):
    monkeypatch.setattr("ganlab.latent.scoring.BATCH", 3)
    reals = torch.randint(256, (10, 1, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    assert torch.equal(memorised(reals[order][None], reals)[0], reals[order])
