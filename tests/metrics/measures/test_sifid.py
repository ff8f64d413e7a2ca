from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganlab.metrics.extractors.inception import InceptionFeatures
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.sifid import SIFID
from ganlab.metrics.reals import Reals


class Lift(nn.Module):
    """The first three of 64 channels are the pixels, whose places are those of the image; the others are empty."""

    def forward(self, maps: Tensor) -> Tensor:
        return nn.functional.pad(maps, (0, 0, 0, 0, 0, 61))


@pytest.fixture
def network() -> Any:
    features = nn.Module()
    features.name = "inception"  # type: ignore[assignment]
    same = nn.Identity()
    features.network = SimpleNamespace(Conv2d_1a_3x3=same, Conv2d_2a_3x3=same, Conv2d_2b_3x3=Lift())  # type: ignore
    features.protocol = lambda: {"features": "inception", "resize": "299"}  # type: ignore[assignment]
    return features


@pytest.fixture
def show(pack_of: Callable[..., Any], network: Any) -> Callable[..., SIFID]:
    def make(real: np.ndarray, fake: np.ndarray, samples: int = 50) -> SIFID:
        metric = SIFID(network, samples)
        metric.take_reals(Reals(pack_of(real), 100, 10, 0, torch.device("cpu")))
        images = torch.from_numpy(fake.transpose(0, 3, 1, 2).copy())
        metric.update(Generated(images, None, torch.arange(len(images))))
        return metric

    return make


def test_is_the_distance_of_pixels_where_the_network_shows_pixels(
    show: Callable[..., SIFID], noise: Callable[..., np.ndarray]
) -> None:
    real, brighter = noise(4, 9, 7, 3) // 2, noise(4, 9, 7, 3) // 2 + 64
    metric = show(real, brighter)
    assert metric.names == ("sifid_inception",)
    # only the means differ, by half of the range in each of three channels
    assert metric.compute()["sifid_inception"] == pytest.approx(3 * 0.5**2, rel=1e-6)
    assert show(real, real).compute()["sifid_inception"] == pytest.approx(0, abs=1e-6)
    shuffled = real.reshape(4, 63, 3)[:, ::-1].reshape(real.shape)  # the same pixels at other places
    assert show(real, shuffled).compute()["sifid_inception"] == pytest.approx(0, abs=1e-6)


def test_images_are_compared_in_order_and_no_more_than_asked_for(
    show: Callable[..., SIFID], noise: Callable[..., np.ndarray]
) -> None:
    real = np.stack([np.full((5, 5, 3), 10 * number, np.uint8) for number in range(4)])
    metric = show(real, np.concatenate([real, real, 255 - real]), samples=8)
    assert metric.compute()["sifid_inception"] == pytest.approx(0, abs=1e-6)
    protocol = metric.protocol()
    assert (protocol["real"], protocol["fake"], protocol["resize"]) == (4, 8, "none")
    assert protocol["layer"].startswith("64 channels before the first pooling")


def test_needs_inception_and_its_layers() -> None:
    assert SIFID.needs is InceptionFeatures
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    assert [name for name, _ in _first_layers(FeatureExtractorInceptionV3)] == [
        "Conv2d_1a_3x3",
        "Conv2d_2a_3x3",
        "Conv2d_2b_3x3",
        "MaxPool_1",
    ]


def _first_layers(kind: Any) -> list[tuple[str, nn.Module]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "load_state_dict", lambda self, state: None)
        patch.setattr(torch, "load", lambda *_, **__: {})
        return list(kind("random", ["64"], "nowhere").named_children())[:4]
