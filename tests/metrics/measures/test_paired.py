from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity
from torchvision.models import squeezenet1_1

from ganlab.errors import UserError
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures import lpips
from ganlab.metrics.measures.lpips import LPIPS
from ganlab.metrics.measures.paired import L1, L2, PSNR, SSIM


def grey(*values: int) -> Tensor:
    """Return images (n, 1, 6, 6) of one grey level each."""
    return torch.tensor(values, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 6, 6)


def value(metric: Any, images: Tensor, targets: Tensor, masks: Tensor | None = None, size: int = 100) -> float:
    metric.reset()
    for rows in torch.arange(len(images)).split(size):
        mask = None if masks is None else masks[rows]
        metric.update(Generated(images[rows], None, rows, None, targets[rows], mask))
    return metric.compute()[metric.names[0]]


def test_values_by_hand() -> None:
    images, targets = grey(51, 102), grey(0, 204)  # 0.2 and 0.4 off
    assert value(L1("all"), images, targets) == pytest.approx(0.3)
    assert value(L2("all"), images, targets) == pytest.approx((0.04 + 0.16) / 2)
    assert value(PSNR("all"), images, targets) == pytest.approx((13.9794 + 7.9588) / 2, abs=1e-4)
    assert value(SSIM("all"), grey(51), grey(102)) == pytest.approx((2 * 0.2 * 0.4 + 1e-4) / (0.04 + 0.16 + 1e-4))
    assert (value(L1("all"), images, images), value(SSIM("all"), images, images)) == (0, pytest.approx(1))
    assert value(PSNR("all"), images, images) == float("inf")


def test_the_hole_alone() -> None:
    images, targets, masks = grey(51, 102, 7), grey(0, 204, 9), torch.zeros(3, 1, 6, 6, dtype=torch.uint8)
    images[0, 0, 0, 0] = 255
    masks[0, 0, 0, :2] = 1  # one pixel 1 off, one 0.2
    masks[1, 0, 3, 3] = 255  # the third image has no hole
    assert value(L1("hole"), images, targets, masks) == pytest.approx((0.6 + 0.4) / 2)
    assert value(L2("hole"), images, targets, masks) == pytest.approx(((1 + 0.04) / 2 + 0.16) / 2)
    assert value(PSNR("hole"), images[1:], targets[1:], masks[1:]) == pytest.approx(7.9588, abs=1e-4)
    assert np.isnan(value(L1("hole"), images[2:], targets[2:], masks[2:]))


def test_names_directions_and_units() -> None:
    kinds = {"l1": (L1, False), "l2": (L2, False), "psnr": (PSNR, True), "ssim": (SSIM, True)}
    for name, (kind, rises) in kinds.items():
        assert (kind("all").names, kind("hole").names) == ((name,), (f"{name}_hole",))
        assert kind.higher_is_better is rises
    assert L2("hole").protocol() == {"unit": "mean squared difference of pixels in [0, 1]", "pixels": "hole"}
    with pytest.raises(ValueError, match="pixels=edge must be all or hole"):
        L1("edge")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [L1, L2, PSNR, SSIM])
def test_neither_batches_nor_other_images_change_a_value(kind: type, noise: Callable[..., np.ndarray]) -> None:
    images, targets = (torch.from_numpy(noise(10, 3, 12, 10, seed=seed)) for seed in (0, 1))
    masks = torch.from_numpy(noise(10, 1, 12, 10, seed=2)) // 128
    for on in ("all", "hole"):
        found = value(kind(on), images, targets, masks)
        assert value(kind(on), images, targets, masks, size=3) == pytest.approx(found, rel=1e-12)
        each = [value(kind(on), *(one[i : i + 1] for one in (images, targets, masks))) for i in range(10)]
        assert np.mean(each) == pytest.approx(found, rel=1e-12)


def test_what_has_no_truth_or_no_hole_is_refused() -> None:
    with pytest.raises(UserError, match=r"psnr compares outputs with their true images, and this system has none"):
        PSNR("all").require(())
    with pytest.raises(UserError, match=r"l1_hole needs data with masks: take all pixels with pixels=all"):
        L1("hole").require(("inputs", "targets"))
    L1("hole").require(("inputs", "targets", "masks"))
    with pytest.raises(UserError, match="ssim needs images of 6 pixels or more"):
        value(SSIM("all"), grey(1)[..., :5], grey(2)[..., :5])


@pytest.fixture
def squeeze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone of seeded weights in torch hub's cache."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.manual_seed(0)
    file = tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    torch.save(squeezenet1_1().state_dict(), file)
    monkeypatch.setattr(lpips, "published_weights", lambda url: tmp_path / "checkpoints" / url.rsplit("/", 1)[-1])


@pytest.mark.usefixtures("squeeze")
def test_lpips_is_torchmetrics_on_whole_images_and_on_the_hole(noise: Callable[..., np.ndarray]) -> None:
    images, targets = (torch.from_numpy(noise(3, 1, 40, 32, seed=seed)) for seed in (0, 1))
    metric = LPIPS("all", "squeeze")
    assert metric.names == ("lpips_squeeze",) and metric.higher_is_better is False
    pixels = [one.expand(-1, 3, -1, -1) / 255 for one in (images, targets)]
    expected = learned_perceptual_image_patch_similarity(*pixels, net_type="squeeze", normalize=True).item()
    assert value(metric, images, targets) == pytest.approx(expected, rel=1e-5)
    assert value(metric, images, targets, size=1) == pytest.approx(expected, rel=1e-5)
    assert value(metric, images, images) == 0
    masks = torch.ones(3, 1, 40, 32, dtype=torch.uint8)
    hole = LPIPS("hole", "squeeze")
    assert value(hole, images, targets, masks) == pytest.approx(expected, rel=1e-5)
    masks[..., 16:] = 0
    assert 0 < value(hole, images, targets, masks) < expected
    assert hole.protocol()["outside"] == "pixels of the true image"
    with pytest.raises(UserError, match="lpips_squeeze needs images of 1 or 3 channels and 32 pixels or more"):
        value(metric, images[..., :31], targets[..., :31])


def test_lpips_without_weights_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UserError, match=r"alexnet-owt-7be5be79.pth cannot be fetched \(no route to host\); put http"):
        LPIPS("all", "alex")
    with pytest.raises(ValueError, match="network=resnet must be alex or vgg or squeeze"):
        LPIPS("all", "resnet")  # type: ignore[arg-type]
