import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.callbacks import alarms
from ganlab.callbacks.alarms import Thresholds

LIMITS = Thresholds(wins=0.995, worse=2.0, swing=0.25, diversity=0.3, coverage=0.5, vanished=0.01)


def test_a_discriminator_that_wins_five_logs_long_is_no_convergence():
    assert alarms.discriminator_wins([0.7, *[0.999] * 4], LIMITS) is None
    assert alarms.discriminator_wins([*[0.999] * 4, 0.98], LIMITS) is None
    sentence = alarms.discriminator_wins([0.7, *[0.999] * 5], LIMITS)
    assert sentence and sentence.startswith("non-convergence: ") and "99.9% of fakes" in sentence


def test_a_score_that_falls_back_or_never_improves_is_no_convergence():
    assert alarms.falls_back([300, 40, 10, 12, 19], "fid_digits", LIMITS) is None
    assert alarms.falls_back([300, 40, 10, 25, 12], "fid_digits", LIMITS) is None  # one outlier is none
    sentence = alarms.falls_back([300, 40, 10, 25, 21], "fid_digits", LIMITS)
    assert sentence and "fid_digits is 21 and was 10 before" in sentence and "best.ckpt" in sentence
    assert alarms.falls_back([300, 290, 280], "swd", LIMITS) is None  # too early to say
    assert "280 at best, and was 300 before training" in str(alarms.falls_back([300, 290, 280, 295], "swd", LIMITS))


@given(st.lists(st.floats(1, 1000), min_size=2, max_size=8))
@settings(max_examples=50)
def test_a_score_that_only_falls_trips_nothing(drops):
    scores = sorted(drops, reverse=True)
    if min(scores[1:]) <= 0.9 * scores[0]:
        assert alarms.falls_back(scores, "swd", LIMITS) is None


def test_swinging_to_and_fro_is_oscillation_and_moving_on_is_not():
    def at(*places):
        return [torch.tensor([float(place), 0.0]) for place in places]

    sentence = alarms.oscillates(at(0, 1, 0, 1, 0, 1), LIMITS)
    assert sentence and sentence.startswith("oscillation: ") and "by 1 of" in sentence
    assert alarms.oscillates(at(0, 1, 2, 3, 4, 5), LIMITS) is None  # learning
    assert alarms.oscillates(at(0, 0.1, 0, 0.1, 0, 0.1), LIMITS) is None  # jitter
    assert alarms.oscillates(at(0, 1, 0, 1, 0), LIMITS) is None  # too early to say


def test_samples_that_are_alike_or_miss_classes_are_mode_collapse():
    assert alarms.collapsed([0.1, 0.9, 0.2], [], LIMITS) is None
    assert "differ from each other 20% as much" in str(alarms.collapsed([0.9, 0.1, 0.2], [], LIMITS))
    assert "only 40% of the classes" in str(alarms.collapsed([0.9, 0.9], [0.5, 0.4], LIMITS))
    assert alarms.collapsed([0.9, 0.9], [0.3, 0.9], LIMITS) is None


@pytest.mark.parametrize(("series", "trips"), [([1, 0.5, 0.009, 0.008, 0.001], True), ([1, 0.001, 0.001], False)])
def test_a_gradient_that_stays_a_hundredth_of_the_first_has_vanished(series, trips):
    assert (alarms.vanished(series, LIMITS) is not None) == trips
    assert alarms.vanished([1, 0.001, 0.001, 0.02], LIMITS) is None


def test_numbers_that_are_not_finite_name_term_and_step():
    sentence = alarms.not_finite(["loss/generator", "discriminator/r1"], 312, 10_000)
    assert sentence.startswith(
        "loss/generator and discriminator/r1 not finite since minibatch 312 (noticed after 10,000"
    )
