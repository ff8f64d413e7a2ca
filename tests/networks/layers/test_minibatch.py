from math import exp, sqrt

import pytest
import torch

from ganlab.networks.layers.minibatch import MINIBATCHES, Discrimination, StandardDeviation


@pytest.mark.parametrize("name", sorted(MINIBATCHES))
def test_features_come_first_and_channels_are_counted(name: str) -> None:
    layer, features = MINIBATCHES[name](3, 4), torch.randn(6, 3, 4, 4)
    output = layer(features)
    assert output.shape == (6, layer.channels, 4, 4)
    assert torch.equal(output[:, :3], features)


def test_the_standard_deviation_is_that_of_each_group() -> None:
    features = torch.zeros(6, 1, 1, 2)
    features[:4, 0, 0] = torch.tensor([[0.0, 1], [0, 1], [2, 1], [2, 1]])  # deviations 1 and 0
    features[4:, 0, 0] = torch.tensor([[1.0, 5], [7, 5]])  # the rest: 3 and 0
    found = StandardDeviation(1, 1)(features)[:, 1, 0, 0]
    torch.testing.assert_close(found, torch.tensor([0.5] * 4 + [1.5] * 2), rtol=0, atol=1e-3)


def test_equal_images_have_the_least_deviation_and_the_greatest_closeness() -> None:
    same = torch.randn(1, 2, 3, 3).expand(4, -1, -1, -1)
    assert StandardDeviation(2, 3)(same)[:, 2].max().item() == pytest.approx(sqrt(1e-8))
    assert bool(Discrimination(2, 3, kernels=5)(same)[:, 2:].eq(3).all())


def test_closeness_is_the_sum_over_the_others() -> None:
    layer = Discrimination(1, 1, kernels=1, length=2)
    with torch.no_grad():
        layer.projection.weight.copy_(torch.tensor([[1.0], [2.0]]))
    found = layer(torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1))[:, 1].flatten()
    expected = [exp(-3) + exp(-9), exp(-3) + exp(-6), exp(-9) + exp(-6)]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_gradients_are_finite_where_images_are_equal() -> None:
    for layer in (StandardDeviation(2, 2), Discrimination(2, 2)):
        features = torch.ones(4, 2, 2, 2, requires_grad=True)
        (slope,) = torch.autograd.grad(layer(features).square().sum(), features, create_graph=True)
        slope.square().sum().backward()
        assert features.grad is not None and bool(features.grad.isfinite().all())
