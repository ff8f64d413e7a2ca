import pytest
import torch

from ganlab.errors import UserError
from ganlab.latent.directions import along
from ganlab.latent.interpolation import walk
from ganlab.latent.scoring import (
    Sum,
    memorised,
    random_direction,
    score_arithmetic,
    score_turn,
    score_walk,
    share_of,
)

TASK = Sum({"left": 1, "right": 0}, {"left": 0, "right": 0}, {"left": 0, "right": 1}, {"left": 1, "right": 1})


def test_sums_of_a_latent_space_that_adds_up_beat_chance(known, judge_known):
    scores = score_arithmetic(known, judge_known, TASK, trials=200, seed=1)
    assert set(scores) == {"means_of_three", "single", "neighbours", "pixels_of_three", "pixels_single", "chance"}
    assert scores["means_of_three"].value > 0.97 and scores["neighbours"].value > 0.9
    # Of single exemplars x1 - x2 + x3 may have a sign of its own; the mean of three has it seldom.
    assert scores["means_of_three"].value >= scores["single"].value > 0.6
    assert abs(scores["chance"].value - 0.25) < 4 * scores["chance"].error
    assert scores == score_arithmetic(known, judge_known, TASK, trials=200, seed=1)
    assert scores != score_arithmetic(known, judge_known, TASK, trials=200, seed=2)


def test_a_concept_that_nothing_shows_is_told(known):
    with pytest.raises(UserError, match=r"show left=1, right=0"):
        score_arithmetic(
            known, lambda images: {n: torch.full((len(images), 2), 0.5) for n in ("left", "right")}, TASK, 2
        )


def test_the_error_of_a_share():
    share = share_of(torch.arange(100) < 20)
    assert share.value == pytest.approx(0.2) and share.error == pytest.approx(0.04)


def test_the_turn_is_followed_and_a_random_direction_is_not(known, read_known):
    turning = torch.nn.functional.one_hot(torch.tensor(2), 8).float()
    latents = known.draw(5, 0) * torch.tensor([1, 1, 0.2, 1, 1, 1, 1, 1])
    found = score_turn(known, read_known, latents, turning, 11, reach=0.8)
    assert found.overall > 0.95 and found.by_row.shape == (5,) and bool((found.by_row > 0.98).all())
    assert found.change > 0.8
    back = score_turn(known, read_known, latents, -turning, 11, reach=0.8)
    assert back.overall == pytest.approx(-found.overall, abs=1e-6) and back.change == pytest.approx(-found.change)
    still = torch.nn.functional.one_hot(torch.tensor(5), 8).float()
    unmoved = score_turn(known, read_known, latents, still, 11, reach=0.8)
    assert bool(unmoved.by_row.isnan().all()) and abs(unmoved.overall) < 1e-6 and unmoved.change == 0


def test_a_random_direction_is_as_long_as_the_one_that_it_stands_against():
    given = torch.tensor([3.0, 4.0])
    found = random_direction(given, 0)
    assert float(found.norm()) == pytest.approx(5) and torch.equal(found, random_direction(given, 0))
    assert not torch.equal(found, random_direction(given, 1))


def test_a_walk_through_images_known_by_heart_jumps(known):
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
    monkeypatch.setattr("ganlab.latent.scoring.COMPARED", 3)
    reals = torch.randint(256, (10, 1, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    assert torch.equal(memorised(reals[order][None], reals)[0], reals[order])
