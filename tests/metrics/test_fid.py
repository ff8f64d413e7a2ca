import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from ganlab.metrics.fid import FID


def test_same_images_have_almost_no_distance(pixels: type) -> None:
    images = torch.randint(0, 256, (50, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    metric = FID(pixels(36))
    metric.update(images, real=True)
    metric.update(images, real=False)
    assert abs(metric.compute()["fid_pixels"]) < 1e-3


def test_equals_torchmetrics_on_the_same_images(pixels: type) -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = FID(pixels(16)), FrechetInceptionDistance(feature=pixels(16))
    for real, top in ((True, 256), (False, 128)):
        images = torch.randint(0, top, (80, 1, 4, 4), dtype=torch.uint8, generator=generator)
        ours.update(images, real=real)
        theirs.update(images, real=real)
    expected = theirs.compute().item()
    assert abs(ours.compute()["fid_pixels"] / expected - 1) < 1e-6


def test_every_grey_code_arrives_as_it_is(pixels: type) -> None:
    metric = FID(pixels(1))
    metric.update(torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1), real=False)
    assert metric.fake_features_sum.item() == 255 * 128
    assert metric.fake_features_cov_sum.item() == sum(code**2 for code in range(256))
    assert metric.fake_features_sum.dtype == torch.float64
