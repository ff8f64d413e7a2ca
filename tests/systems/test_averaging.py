import pytest
import torch
from torch import nn

from ganlab.systems.averaging import Average


def test_the_average_is_the_closed_form() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    average, expected = Average(network, half_life=100), 0.0
    for step in range(1, 20):
        nn.init.constant_(network.weight, float(step))
        average.update(network, images=10, images_seen=100_000)
        expected += (1 - 0.5**0.1) * (step - expected)
    assert average.network.weight.item() == pytest.approx(expected, rel=1e-6)


def test_a_weight_counts_half_after_the_half_life() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = Average(network, half_life=640)
    nn.init.constant_(network.weight, 0.0)
    for _ in range(10):
        average.update(network, images=64, images_seen=10**9)
    assert average.network.weight.item() == pytest.approx(0.5, rel=1e-6)


def test_the_half_life_grows_with_the_images_seen() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = Average(network, half_life=1e9)
    nn.init.constant_(network.weight, 0.0)
    average.update(network, images=64, images_seen=64)  # half-life 3.2 images: 20 half-lives have passed
    assert average.network.weight.item() < 1e-5


def test_buffers_are_copied() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, half_life=1000)
    network(torch.randn(16, 2))
    average.update(network, images=16, images_seen=16)
    for mine, live in zip(average.network.buffers(), network.buffers(), strict=True):
        assert torch.equal(mine, live)
    assert not any(parameter.requires_grad for parameter in average.parameters())
