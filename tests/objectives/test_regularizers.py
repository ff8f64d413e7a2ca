import pytest
import torch
from torch import nn

from ganlab.objectives.regularizers import Orthogonal


def test_orthogonal_filters_cost_nothing_and_equal_ones_do() -> None:
    layer = nn.Conv2d(1, 2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0]]).view(2, 1, 2, 2))
    assert Orthogonal(1.0)(layer).item() == 0  # lengths are free, and so are biases
    with torch.no_grad():
        layer.weight[1] = 2 * layer.weight[0]
    assert Orthogonal(0.5, interval=4)(layer).item() == pytest.approx(0.5 * 4 * 2 * 2.0**2)


def test_its_gradient_is_twice_that_of_the_authors_code() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    Orthogonal(1.0)(layer).backward()
    w = layer.weight.detach()
    theirs = 2 * (w @ w.T * (1 - torch.eye(3))) @ w
    torch.testing.assert_close(layer.weight.grad, 2 * theirs)
    assert layer.bias.grad is None


def test_it_is_due_at_its_interval() -> None:
    assert [Orthogonal(1.0, interval=3).due(step) for step in range(4)] == [True, False, False, True]
