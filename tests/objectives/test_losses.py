from math import log
from typing import Any

import pytest
import torch
from torch.autograd import gradcheck

from ganlab.objectives.losses import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
)
from ganlab.objectives.targets import Targets

REAL, FAKE = torch.tensor([0.0, 2.0]), torch.tensor([0.0, -1.0])
OBJECTIVES = [Minimax, NonSaturating, LeastSquares, Hinge, Wasserstein, RelativisticAverage, RelativisticPairing]


def sigmoid(x: float) -> float:
    return float(torch.tensor(x, dtype=torch.float64).sigmoid())


def test_minimax_is_binary_cross_entropy() -> None:
    expected = -(log(sigmoid(0.0)) + log(sigmoid(2.0))) / 2 - (log(1 - sigmoid(0.0)) + log(1 - sigmoid(-1.0))) / 2
    for objective in (Minimax(), NonSaturating()):
        assert objective.discriminator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)
    saturating = (log(1 - sigmoid(0.0)) + log(1 - sigmoid(-1.0))) / 2
    assert Minimax().generator(None, FAKE).item() == pytest.approx(saturating, rel=1e-6)


def test_soft_targets_weigh_both_logarithms() -> None:
    objective = NonSaturating(Targets(real=0.9, fake=0.2))
    real = sum(0.9 * log(sigmoid(x)) + 0.1 * log(1 - sigmoid(x)) for x in (0.0, 2.0)) / 2
    fake = sum(0.2 * log(sigmoid(x)) + 0.8 * log(1 - sigmoid(x)) for x in (0.0, -1.0)) / 2
    assert objective.discriminator(REAL, FAKE).item() == pytest.approx(-real - fake, rel=1e-6)
    assert LeastSquares(Targets(real=0.9)).discriminator(REAL, FAKE).item() == pytest.approx(
        0.5 * ((0.81 + 1.21) / 2 + 0.5)
    )


def test_non_saturating_maximises_the_log_of_the_probability() -> None:
    expected = -(log(sigmoid(0.0)) + log(sigmoid(-1.0))) / 2
    assert NonSaturating().generator(None, FAKE).item() == pytest.approx(expected, rel=1e-6)


def test_only_the_non_saturating_gradient_survives_a_sure_discriminator() -> None:
    for objective, bound in ((Minimax(), (0, 1e-8)), (NonSaturating(), (0.99, 1.01))):
        fake = torch.tensor([-20.0], requires_grad=True)
        objective.generator(None, fake).backward()
        assert bound[0] <= abs(fake.grad.item()) <= bound[1]


def test_least_squares() -> None:
    assert LeastSquares().discriminator(REAL, FAKE).item() == pytest.approx(0.5 * ((1 + 1) / 2 + (0 + 1) / 2))
    assert LeastSquares().generator(None, FAKE).item() == pytest.approx(0.5 * (1 + 4) / 2)


def test_hinge() -> None:
    assert Hinge().discriminator(REAL, FAKE).item() == pytest.approx((1 + 0) / 2 + (1 + 0) / 2)
    assert Hinge().generator(None, FAKE).item() == pytest.approx(0.5)


def test_wasserstein_is_the_difference_of_the_means() -> None:
    assert Wasserstein().discriminator(REAL, FAKE).item() == pytest.approx(-0.5 - 1)
    assert Wasserstein().generator(None, FAKE).item() == pytest.approx(0.5)


def test_relativistic_average_compares_with_the_other_sides_mean() -> None:
    real = -sum(log(sigmoid(x + 0.5)) for x in (0.0, 2.0)) / 2
    fake = -sum(log(1 - sigmoid(x - 1)) for x in (0.0, -1.0)) / 2
    assert RelativisticAverage().discriminator(REAL, FAKE).item() == pytest.approx(real + fake, rel=1e-6)
    real = -sum(log(1 - sigmoid(x + 0.5)) for x in (0.0, 2.0)) / 2
    fake = -sum(log(sigmoid(x - 1)) for x in (0.0, -1.0)) / 2
    assert RelativisticAverage().generator(REAL, FAKE).item() == pytest.approx(real + fake, rel=1e-6)


def test_relativistic_pairing_compares_pair_by_pair() -> None:
    expected = -(log(sigmoid(0.0)) + log(sigmoid(3.0))) / 2
    assert RelativisticPairing().discriminator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)
    expected = -(log(sigmoid(0.0)) + log(sigmoid(-3.0))) / 2
    assert RelativisticPairing().generator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_gradients_are_those_of_finite_differences(kind: Any) -> None:
    objective, rng = kind(), torch.Generator().manual_seed(1)
    logits = [torch.randn(5, dtype=torch.float64, generator=rng).requires_grad_() for _ in range(2)]
    assert gradcheck(objective.discriminator, logits)
    assert gradcheck(objective.generator, logits)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_attributes_of_an_objective_are_true(kind: Any) -> None:
    objective = kind()
    moved = objective.discriminator(REAL + 3, FAKE + 3)
    only_differences_count = kind in (Wasserstein, RelativisticAverage, RelativisticPairing)
    assert only_differences_count == torch.isclose(moved, objective.discriminator(REAL, FAKE)).item()
    assert objective.bounded == (objective.discriminator(REAL + 1e6, FAKE - 1e6).item() > -1)
    real = REAL.clone().requires_grad_()
    objective.generator(real, FAKE.clone().requires_grad_()).backward()
    assert objective.generator_needs_real == (real.grad is not None)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_discriminator_wants_real_above_fake_and_the_generator_fake_up(kind: Any) -> None:
    objective = kind()
    real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    objective.discriminator(real, fake).backward()
    assert bool((real.grad < 0).all()) and bool((fake.grad >= 0).all())
    fake = torch.zeros(3, requires_grad=True)
    objective.generator(torch.zeros(3), fake).backward()
    assert bool((fake.grad < 0).all())
