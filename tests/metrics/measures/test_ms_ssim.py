from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure

from ganlab.classifiers.digits import digits
from ganlab.errors import UserError
from ganlab.metrics.diversity import scales
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.ms_ssim import KERNEL, MSSSIM, similarity
from ganlab.metrics.reals import Reals


def test_at_five_scales_it_is_torchmetrics_number(noise: Callable[..., np.ndarray]) -> None:
    images = torch.from_numpy(noise(4, 3, 176, 180))
    images[1::2] = images[::2] // 2 + images[1::2] // 2
    metric = MultiScaleStructuralSimilarityIndexMeasure(data_range=255.0)
    metric.update(images[::2].float(), images[1::2].float())
    assert scales(176, KERNEL) == 5
    assert similarity(images) == pytest.approx(metric.compute().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("side", "count"), [(11, 1), (21, 1), (22, 2), (28, 2), (32, 2), (64, 3), (96, 3), (128, 4), (176, 5), (999, 5)]
)
def test_scales_by_size(side: int, count: int) -> None:
    assert scales(side, KERNEL) == count
    if side < 130:
        same = torch.arange(side, dtype=torch.uint8).expand(2, 1, side, side)
        assert similarity(same) == pytest.approx(1)


def test_collapse_is_seen(pack_of: Callable[..., Any]) -> None:
    images, _ = digits()
    metric = MSSSIM(pairs=40)
    metric.take_reals(Reals(pack_of(images.permute(0, 2, 3, 1).numpy()), 500, 50, 0, torch.device("cpu")))
    values = []
    for fakes in (images[:100], images[:1].repeat(60, 1, 1, 1)):
        for start in range(0, len(fakes), 7):
            part = fakes[start : start + 7]
            metric.update(Generated(part, None, torch.arange(start, start + len(part))))
        values.append(metric.compute()["ms_ssim"])
        protocol = metric.protocol()
        metric.reset()
    assert values[0] == similarity(images[:80])
    assert abs(values[0] - protocol["real_pairs"]) < 0.05
    assert values[0] < 0.4
    assert values[1] == pytest.approx(1)
    assert (protocol["pairs"], protocol["scales"]) == (30, 2)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UserError, match="ms_ssim needs images of 11 pixels or more, not 10"):
        similarity(torch.zeros(2, 3, 10, 64, dtype=torch.uint8))
    with pytest.raises(ValueError, match="^pairs=0(.0)? must be"):
        MSSSIM(0)
