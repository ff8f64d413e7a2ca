import pytest
import torch
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from ganlab.metrics.frechet import FeatureStatistics, frechet_distance


def gaussian(mean: Tensor, covariance: Tensor, count: int = 1000) -> FeatureStatistics:
    outer = (count - 1) * covariance + count * torch.outer(mean, mean)
    return FeatureStatistics(count, count * mean, outer)


def spread(size: int, seed: int, rank: int) -> Tensor:
    root = torch.randn(size, rank, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return root @ root.T


def test_closed_form_of_independent_gaussians() -> None:
    mean1, mean2 = torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([1.0, 1.0, 0.0]).double()
    variance1, variance2 = torch.tensor([1.0, 4.0, 9.0]).double(), torch.tensor([4.0, 4.0, 1.0]).double()
    distance = frechet_distance(gaussian(mean1, variance1.diag()), gaussian(mean2, variance2.diag()))
    assert distance == pytest.approx((1 + 0 + 4) + (1 + 0 + 4), abs=1e-9)


@pytest.mark.parametrize("rank", [40, 7])
def test_agrees_with_torchmetrics_also_where_the_covariance_is_singular(rank: int) -> None:
    mean1, mean2 = torch.zeros(40).double(), torch.ones(40).double()
    first, second = spread(40, 1, rank), spread(40, 2, rank)
    expected = _compute_fid(mean1, first, mean2, second).item()
    assert frechet_distance(gaussian(mean1, first), gaussian(mean2, second)) == pytest.approx(expected, rel=1e-6)


def test_equal_statistics_have_no_distance() -> None:
    same = gaussian(torch.ones(64).double(), spread(64, 3, 20))
    assert abs(frechet_distance(same, same)) < 1e-3


def test_difference_leaves_the_other_part(pixels: type) -> None:
    images = torch.arange(60, dtype=torch.uint8).view(15, 1, 2, 2)
    features = pixels(4)
    whole = FeatureStatistics.of(features, images.split(4))
    rest = whole - FeatureStatistics.of(features, [images[:5]])
    assert rest.count == 10
    assert torch.equal(rest.mean, images[5:].flatten(1).double().mean(dim=0))
    assert torch.allclose(rest.covariance, torch.cov(images[5:].flatten(1).double().T))


def test_one_image_has_no_covariance() -> None:
    one = gaussian(torch.zeros(2).double(), torch.eye(2).double(), count=1)
    with pytest.raises(ValueError, match="not 1 and 1"):
        frechet_distance(one, one)
