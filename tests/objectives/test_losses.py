from math import log

import pytest
import torch

from ganlab.objectives.losses import Hinge, LeastSquares, Minimax, NonSaturating

REAL, FAKE = torch.tensor([0.0, 2.0]), torch.tensor([0.0, -1.0])


def sigmoid(x: float) -> float:
    return float(torch.tensor(x, dtype=torch.float64).sigmoid())


def test_minimax_is_binary_cross_entropy() -> None:
    expected = -(log(sigmoid(0.0)) + log(sigmoid(2.0))) / 2 - (log(1 - sigmoid(0.0)) + log(1 - sigmoid(-1.0))) / 2
    for objective in (Minimax(), NonSaturating()):
        assert objective.discriminator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)
    saturating = (log(1 - sigmoid(0.0)) + log(1 - sigmoid(-1.0))) / 2
    assert Minimax().generator(None, FAKE).item() == pytest.approx(saturating, rel=1e-6)


def test_non_saturating_maximises_the_log_of_the_judgement() -> None:
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
