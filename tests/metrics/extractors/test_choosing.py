import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.errors import UserError
from ganlab.metrics.extractors import inception as module
from ganlab.metrics.extractors.choosing import choose_features
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.metrics.extractors.digits import DigitsFeatures

SETTINGS: dict[str, Any] = {
    "factors": None,
    "accuracy": 0.5,
    "images": 2_000,
    "batch_size": 50,
    "learning_rate": 1e-2,
    "width": 4,
    "seed": 0,
}


@pytest.fixture(autouse=True)
def no_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a publisher without a file; never the network."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(module, "URL_INCEPTION_V3", (tmp_path / "weights-c3ab8ff1.pth").as_uri())


def test_auto_takes_the_classifier_where_the_pack_says_what_to_count(
    bars: Callable[..., Any], stacked_bars: Callable[..., Any]
) -> None:
    chosen = choose_features("auto", None, SETTINGS, pack=bars(200))
    assert isinstance(chosen, ClassifierFeatures)
    assert (chosen.counted, chosen.num_modes, chosen.remark) == (["row", "column"], 6, None)
    stacked = choose_features("auto", None, SETTINGS, pack=stacked_bars(200))
    assert isinstance(stacked, ClassifierFeatures)
    assert (stacked.counted, stacked.num_modes) == (["red", "green"], 9)


def test_auto_does_without_a_network_for_other_labels(
    labelled: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    pack = labelled(noise(20, 8, 8, 3), np.arange(20) % 2, classes=["a", "b"])
    assert choose_features("auto", None, SETTINGS, pack=pack) is None
    with pytest.raises(UserError, match="cannot be fetched"):
        choose_features("inception", None, pack=pack)


def test_mixed_channels_are_not_counted(labelled: Callable[..., Any], noise: Callable[..., np.ndarray]) -> None:
    channels = {name: ["0", "1"] for name in ("red", "green")}
    grey = labelled(noise(20, 8, 8, 1), np.arange(20) % 4, channels=channels)
    assert choose_features("auto", None, SETTINGS, pack=grey) is None
    with pytest.raises(UserError, match="type data.channels=2"):
        choose_features("classifier", None, SETTINGS, pack=grey)


def test_what_the_classifier_does_not_learn_is_not_counted(
    labelled: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    pack = labelled(noise(200, 8, 8, 3), np.arange(200) % 2, classes=["a", "b"])
    chosen = choose_features("classifier", None, {**SETTINGS, "accuracy": 0.97}, pack=pack)
    assert isinstance(chosen, ClassifierFeatures)
    assert (chosen.counted, chosen.num_modes) == ([], 1)
    assert chosen.remark is not None
    assert "features.classifier.accuracy=0.97" in chosen.remark


def test_factors_may_be_named(bars: Callable[..., Any], tmp_path: Path) -> None:
    chosen = choose_features("classifier", None, {**SETTINGS, "factors": ["column"]}, pack=bars(200))
    assert isinstance(chosen, ClassifierFeatures)
    assert (chosen.counted, chosen.num_modes) == (["column"], 2)
    (file,) = tmp_path.glob("classifier-*.pt")
    file.unlink()
    with pytest.raises(UserError, match="names size, which is no label"):
        choose_features("classifier", None, {**SETTINGS, "factors": ["size"]}, pack=bars(200))
    assert not list(tmp_path.glob("classifier-*.pt"))  # refused before it is trained


def test_digits_are_chosen_for_grey_digits_alone(
    labelled: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    grey = labelled(noise(20, 8, 8, 1), None, content="digits")
    colour = labelled(noise(20, 8, 8, 3), None, content="digits")
    assert isinstance(choose_features("auto", None, SETTINGS, pack=grey), DigitsFeatures)
    assert choose_features("auto", None, SETTINGS, pack=colour) is None
    with pytest.raises(
        UserError, match="features=digits takes 1 channel, not 3; set data.channels=1, or features=auto"
    ):
        choose_features("digits", None, pack=colour)
    for name in ("digits", "classifier"):
        with pytest.raises(UserError, match="features.weights=x.pth"):
            choose_features(name, "x.pth", SETTINGS, pack=grey)
    with pytest.raises(
        UserError, match="features=resnet does not exist; choose auto, inception, digits, classifier, torchscript"
    ):
        choose_features("resnet", None, pack=grey)
    with pytest.raises(UserError, match="learns from labels"):
        choose_features("classifier", None, SETTINGS, pack=grey)


def test_what_networks_are_told(labelled: Callable[..., Any], noise: Callable[..., np.ndarray], tmp_path: Path) -> None:
    class Means(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.float().mean(dim=(2, 3))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.trace(Means(), torch.zeros(2, 3, 8, 6)).save(str(tmp_path / "means.pt"))
    pack = labelled(noise(4, 8, 6, 1), None)
    wanted: dict[str, Any] = {"range": [0, 1], "size": None, "arguments": {}}
    file = str(tmp_path / "means.pt")
    chosen = choose_features("torchscript", file, torchscript=wanted, batch_size=3, pack=pack)
    assert chosen is not None
    assert (chosen.name, chosen.batch_size, chosen.num_features) == ("torchscript_means", 3, 3)
    assert chosen.protocol()["input"] == "6x8 grey, repeated to 3 channels"
    with pytest.raises(UserError, match="set features.weights=FILE"):
        choose_features("torchscript", None, torchscript=wanted, pack=pack)
    with pytest.raises(UserError, match="resize=clean is a choice of features=inception"):
        choose_features("digits", None, resize="clean", pack=pack)
    assert choose_features("auto", None, SETTINGS, pack=labelled(noise(4, 8, 6, 4), None)) is None
