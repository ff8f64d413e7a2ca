import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ganlab.metrics.measures.two_sample import TwoSample


def gaussian(count: int, mean: float = 0.0, scale: float = 1.0, seed: int = 0) -> Tensor:
    return mean + scale * torch.randn(count, 10, generator=torch.Generator().manual_seed(seed))


def test_equal_gaussians_cannot_be_told_apart_and_disjoint_ones_can(pixels: type) -> None:
    metric = TwoSample(pixels(10))
    assert metric.names == ("two_sample_pixels", "two_sample_real_pixels", "two_sample_fake_pixels")
    equal = metric.compare(gaussian(600), gaussian(600, seed=1))
    assert equal == pytest.approx((0.5, 0.5, 0.5), abs=0.06)
    assert metric.compare(gaussian(600), gaussian(600, mean=9.0, seed=1)) == (1, 1, 1)


def test_collapse_and_copies_show_in_the_parts(pixels: type) -> None:
    metric = TwoSample(pixels(10))
    _, of_real, of_fake = metric.compare(gaussian(400), gaussian(400, scale=0.7, seed=1))
    assert of_real < 0.48 < 0.7 < of_fake
    assert metric.compare(gaussian(400), gaussian(400)) == (0, 0, 0)
    # the same image again and again, among real ones that are the same too: both are equally near
    assert metric.compare(torch.ones(6, 10), torch.ones(6, 10)) == (0.5, 0.5, 0.5)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 20), st.integers(0, 5), st.integers(0, 99))
def test_is_a_leave_one_out_classifier_on_equal_numbers(count: int, more: int, seed: int) -> None:
    real, fake = gaussian(count, seed=seed), gaussian(count + more, 0.5, seed=seed + 1)
    everything = torch.cat([real, fake[:count]]).numpy()
    nearest = NearestNeighbors(n_neighbors=2).fit(everything).kneighbors(everything)[1][:, 1]
    right = (nearest < count) == (torch.arange(2 * count) < count).numpy()
    network = type("Network", (torch.nn.Module,), {"name": "n"})()
    found = TwoSample(network).compare(real, fake)
    assert found == pytest.approx((right.mean(), right[:count].mean(), right[count:].mean()))
