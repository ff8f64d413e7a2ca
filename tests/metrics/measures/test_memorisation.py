from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.memorisation import Memorisation, share_nearer
from ganlab.metrics.reals import Reals

SIZE = (8, 8, 3)


@pytest.fixture
def reals(tmp_path: Any, noise: Callable[..., np.ndarray], pack_of: Callable[..., Any]) -> Callable[..., Reals]:
    def make(count: int, held_out: int = 0) -> Reals:
        others = None
        if held_out:
            others = Reals(pack_of(noise(held_out, *SIZE, seed=1)), 200, 50, 0, torch.device("cpu"))
            others.pack.folder = tmp_path / "held_out"
            others.pack.folder.mkdir()
        return Reals(pack_of(noise(count, *SIZE)), 200, 50, 0, torch.device("cpu"), others)

    return make


def judge(reals: Reals, fakes: Tensor, pixels: type) -> Memorisation:
    metric = Memorisation(pixels(192))
    metric.take_reals(reals)
    metric.update(Generated(fakes, metric.features, torch.arange(len(fakes))))
    metric.value = metric.compute()["memorisation_pixels"]  # type: ignore[assignment]
    return metric


def images_of(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize("held_out", [0, 100])
def test_fresh_samples_are_no_copies_and_copies_are(
    held_out: int, reals: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type
) -> None:
    given = reals(100, held_out)
    fresh = noise(300, *SIZE, seed=2)
    assert judge(given, images_of(fresh), pixels).value == pytest.approx(0.5, abs=0.13)
    assert judge(given, images_of(given.pack.images), pixels).value == 1
    half = images_of(np.concatenate([given.pack.images, fresh[:100]]))
    assert judge(given, half, pixels).value == pytest.approx(0.75, abs=0.08)


def test_copies_of_held_out_images_are_the_opposite(reals: Callable[..., Reals], pixels: type) -> None:
    given = reals(150, 60)
    assert given.held_out is not None
    metric = judge(given, images_of(given.held_out.pack.images), pixels)
    assert metric.value == 0
    protocol = metric.protocol()
    assert (protocol["real"], protocol["held_out"]) == (60, 60)


def test_without_held_out_images_the_record_says_so(reals: Callable[..., Reals], pixels: type) -> None:
    metric = judge(reals(30), images_of(reals(30).pack.images[:5]), pixels)
    assert metric.protocol()["real"] == 30
    assert metric.protocol()["held_out"].startswith("none: leave-one-out")
    assert metric.wants_held_out


def test_the_picture_shows_copies_beside_their_originals(
    reals: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type
) -> None:
    given = reals(100, 100)
    fakes = images_of(np.concatenate([noise(20, *SIZE, seed=3), given.pack.images[[7, 50]] // 2 * 2]))
    picture = judge(given, fakes, pixels).picture()
    assert picture is not None
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 8 * 10 + 2, 4 * 10 + 2)  # 8 rows of a sample and 3 images, 2 pixels apart
    for row, original in enumerate((7, 50)):  # the most suspicious first, in either order
        top = 2 + 10 * row
        sample, nearest = picture[:, top : top + 8, 2:10], picture[:, top : top + 8, 12:20]
        which = [i for i in (7, 50) if torch.equal(nearest, images_of(given.pack.images[[i]])[0])]
        assert len(which) == 1, original
        assert torch.equal(sample, nearest // 2 * 2)


def test_share_of_pairs_by_hand() -> None:
    assert share_nearer(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([4.0, 2.0])) == (2 + 1.5 + 0) / 6
    assert share_nearer(torch.zeros(3), torch.zeros(4)) == 0.5
