from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.callbacks.alarms import (
    Thresholds,
    collapsed,
    idle,
    inverted,
    not_converging,
    not_finite,
    oscillates,
    vanished,
)

CONF = Path(__file__).parents[2] / "conf" / "diagnostics" / "default.yaml"
VALUES = {key: value for key, value in yaml.safe_load(CONF.read_text()).items() if key not in ("on_trouble", "warm_up")}
LIMITS = Thresholds(**VALUES)


def score_alarm(scores, untrained=300.0, accuracy=None):
    return not_converging(scores, untrained, accuracy, "fid_digits", LIMITS)


def test_a_score_that_falls_back_is_no_convergence():
    assert score_alarm([40, 10, 12, 19]) is None
    assert score_alarm([40, 10, 25, 12]) is None  # one outlier is none
    sentence = score_alarm([40, 10, 25, 21])
    assert sentence and "fid_digits is 21 and was 10 before; checkpoints/best.ckpt holds that state" in sentence


def test_a_score_that_never_leaves_the_untrained_network_s_is_no_convergence():
    assert score_alarm([290, 280]) is None  # too early to say
    assert "280 at best, and was 300 before training" in str(score_alarm([290, 280, 295]))
    assert score_alarm([10, 9.8, 9.7, 9.9], untrained=None) is None  # a run that began from a good checkpoint


def test_a_discriminator_that_wins_is_named_as_the_cause_and_is_no_trouble_by_itself():
    assert score_alarm([40, 20, 10], accuracy=1.0) is None
    assert "ranks 99.9% of (real, fake) pairs right" in str(score_alarm([40, 10, 25, 21], accuracy=0.999))
    assert score_alarm([float("nan")] * 4) is None


def test_negatives_of_the_inputs_are_an_inversion():
    assert inverted([-0.95]) is None and inverted([-0.95, -0.5]) is None
    assert "negatives of their inputs, with a correlation of -0.97" in str(inverted([0.1, -0.9, -0.97]))


def test_translations_that_stay_while_the_cycle_loss_falls_are_idle():
    still, moving = [torch.full((9,), 0.001 * n) for n in range(5)], [torch.full((9,), 0.1 * n) for n in range(5)]
    falling = [4.0, 3.0, 2.5, 2.0, 1.5]
    assert idle(still[:3], falling[:3]) is None and idle(moving, falling) is None and idle(still, [2.0] * 5) is None
    assert "the cycle loss fell from 3 to 1.5 while translations stayed the same" in str(idle(still, falling))


@given(st.lists(st.floats(1, 1000), min_size=2, max_size=8))
@settings(max_examples=50)
def test_a_score_that_only_falls_trips_nothing(drops):
    assert score_alarm(sorted(drops, reverse=True), untrained=None) is None


def test_swinging_to_and_fro_is_oscillation_and_moving_on_is_not():
    def at(*places):
        return [torch.tensor([float(place), 0.0]) for place in places]

    sentence = oscillates(at(0, 1, 0, 1, 0, 1), LIMITS)
    assert sentence and sentence.startswith("oscillation: ") and "by 1 of" in sentence
    assert oscillates(at(0, 1, 2, 3, 4, 5), LIMITS) is None  # learning
    assert oscillates(at(0, 0.1, 0, 0.1, 0, 0.1), LIMITS) is None  # jitter
    assert oscillates(at(0, 1, 0, 1, 0), LIMITS) is None  # too early to say


def test_samples_that_are_alike_or_miss_classes_are_mode_collapse():
    assert collapsed([0.1, 0.9, 0.2], [], LIMITS) is None
    assert "differ from each other 10% as much" in str(collapsed([0.9, 0.2, 0.1], [], LIMITS))
    assert collapsed([0.01, 0.02, 0.2], [], LIMITS) is None  # on its way out
    assert "only 40% of the classes" in str(collapsed([0.9, 0.9], [0.5, 0.4], LIMITS))
    assert collapsed([0.9, 0.9], [0.3, 0.9], LIMITS) is None
    assert collapsed([0.9, 0.9], [0.2, 0.4], LIMITS) is None
    assert collapsed([0.9, 0.9], [0.3, None], LIMITS) is None  # the classifier could not tell


@pytest.mark.parametrize(("series", "trips"), [([0.4, 0.009, 0.008, 0.001], True), ([0.001, 0.001], False)])
def test_a_slope_that_stays_near_zero_is_a_vanishing_gradient(series, trips):
    assert (vanished(series, LIMITS) is not None) == trips
    assert vanished([0.001, 0.001, 0.001, 0.02], LIMITS) is None


def test_numbers_that_are_not_finite_name_term_and_step():
    sentence = not_finite(["loss/generator", "discriminator/r1"], 312, 10_000)
    assert sentence.startswith("loss/generator and discriminator/r1 not finite since minibatch 312 (noticed after 10,")


@pytest.mark.parametrize("name", ["swing", "diversity", "coverage", "vanished"])
def test_a_share_beyond_one_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}=30 must be a number from 0 to 1"):
        Thresholds(**VALUES | {name: 30})
