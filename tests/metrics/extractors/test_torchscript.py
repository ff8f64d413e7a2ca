import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.metrics.extractors.torchscript import TorchScriptFeatures
from ganlab.metrics.measures.fid import FID


class Corner(nn.Module):
    """What stands in the first pixel; with a switch, twice."""

    def forward(self, images: Tensor, twice: bool = False) -> Tensor:
        first = images[:, :, 0, 0]
        return torch.cat([first, first], 1) if twice else first


class Maps(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float() * 2


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[nn.Module, str], Path]:
    def save(network: nn.Module, name: str) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(network).save(str(tmp_path / name))
        return tmp_path / name

    return save


def white(channels: int) -> Tensor:
    return torch.full((3, channels, 4, 4), 255, dtype=torch.uint8)


def test_images_come_in_the_range_and_size_that_it_wants(saved: Callable[[nn.Module, str], Path]) -> None:
    file = saved(Corner(), "my corner.pt")
    plain = TorchScriptFeatures(file, "uint8", None, {}, (3, 4, 4))
    assert (plain.name, plain.num_features, plain.num_classes) == ("torchscript_my_corner", 3, 0)
    assert FID(plain).names == ("fid_torchscript_my_corner",)
    assert plain(white(3)).tolist() == [[255.0] * 3] * 3
    assert plain.protocol()["range"] == "uint8"
    signed = TorchScriptFeatures(file, [-1, 1], [6, 8], {"twice": True}, (1, 4, 4))
    assert torch.allclose(signed(white(1)), torch.ones(3, 6))
    assert torch.allclose(signed(0 * white(1)), -torch.ones(3, 6))
    record = signed.protocol()
    assert (record["range"], record["arguments"]) == ([-1, 1], {"twice": True})
    assert record["resize"] == "bicubic, antialiased, as Pillow's in float, to 8x6"
    assert record["input"] == "4x4 grey, repeated to 3 channels, each side resized by itself"
    assert record["weights_sha256"] == plain.protocol()["weights_sha256"]


def test_what_is_no_feature_network_is_told(saved: Callable[[nn.Module, str], Path], tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no network")
    torch.save(Path("pickled object"), tmp_path / "code.pt")
    for name in ("text.pt", "code.pt"):
        with pytest.raises(UserError, match=f"{name} is no TorchScript file") as error:
            TorchScriptFeatures(tmp_path / name, "uint8", None, {}, (3, 4, 4))
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no weights at .*absent.pt"):
        TorchScriptFeatures(tmp_path / "absent.pt", "uint8", None, {}, (3, 4, 4))
    with pytest.raises(UserError, match=r"torchscript_maps gives \(2, 3, 4, 4\) for 2 images, not \(N, features\)"):
        TorchScriptFeatures(saved(Maps(), "maps.pt"), "uint8", None, {}, (3, 4, 4))
    file = saved(Corner(), "corner.pt")
    with pytest.raises(UserError, match="cannot take images of 4x4.*set features.torchscript.range") as error:
        TorchScriptFeatures(file, "uint8", None, {"thrice": True}, (3, 4, 4))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="takes 1 or 3 channels, not 2"):
        TorchScriptFeatures(file, "uint8", None, {}, (2, 4, 4))
    with pytest.raises(UserError, match=r"features.torchscript.range=unit is not a range; type uint8, or"):
        TorchScriptFeatures(file, "unit", None, {}, (3, 4, 4))
    with pytest.raises(UserError, match=r"features.torchscript.size=\[0, 4\] is not a size"):
        TorchScriptFeatures(file, "uint8", [0, 4], {}, (3, 4, 4))
