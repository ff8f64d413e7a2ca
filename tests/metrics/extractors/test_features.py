from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from ganlab.classifiers.digits import DIGITS_WEIGHTS, digits, split
from ganlab.errors import UserError
from ganlab.metrics.extractors import inception as module
from ganlab.metrics.extractors.choosing import choose_features
from ganlab.metrics.extractors.digits import DigitsFeatures
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.extractors.inception import InceptionFeatures
from ganlab.metrics.extractors.resizing import clean_bicubic
from ganlab.metrics.measures.fid import FID


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a publisher's file whose name carries its sha256; never the network."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    published = tmp_path / "weights-c3ab8ff1.pth"  # sha256 of "foobar"
    published.write_bytes(b"foobar")
    monkeypatch.setattr(module, "URL_INCEPTION_V3", published.as_uri())
    return tmp_path / "hub" / "checkpoints" / published.name


def test_inception_from_a_file(
    random_inception: Path, labelled: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    chosen = choose_features("auto", str(random_inception), pack=labelled(noise(4, 8, 8, 1), None, content="digits"))
    assert isinstance(chosen, InceptionFeatures)
    grey = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = chosen(grey)
    assert found.shape == (2, 2048)
    assert found.dtype == torch.float32
    assert found.std() > 1e-2
    assert torch.equal(found, chosen(grey.repeat(1, 3, 1, 1)))
    assert FID(chosen).names == ("fid_inception",)
    assert chosen.protocol()["features"] == "inception"
    assert chosen.protocol()["resize"] == "bilinear, TensorFlow 1, to 299x299"
    assert chosen.protocol()["input"] == "8x8 grey, repeated to 3 channels"
    assert len(chosen.protocol()["weights_sha256"]) == 64


def test_files_that_are_no_inception_weights(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save(Path("pickled object"), tmp_path / "code.pth")
    for name in ("text.pth", "other.pth", "code.pth"):
        with pytest.raises(
            UserError, match=f"{name} does not hold InceptionV3 weights.*take the standard file"
        ) as error:
            InceptionFeatures(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"no weights at .*absent.pth .*features.weights=FILE"):
        InceptionFeatures(tmp_path / "absent.pth")


def test_inception_is_torch_fidelitys_whatever_the_batch(random_inception: Path) -> None:
    images = torch.randint(0, 256, (3, 3, 20, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features = InceptionFeatures(random_inception)
    reference = FeatureExtractorInceptionV3("other", ["2048", "logits_unbiased"], str(random_inception))
    with torch.no_grad():
        wanted, logits = reference(images)
    features.batch_size = 2
    found = features(images)
    probabilities = features.classify_features(found)
    assert probabilities is not None
    assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.allclose(probabilities, logits.softmax(dim=1), rtol=1e-3)
    assert "input" not in features.protocol()
    features.bind(1, 28, 20)
    assert features.protocol()["input"] == "20x28 grey, repeated to 3 channels, each side resized by itself"
    features.bind(3, 32, 32)
    assert features.protocol()["input"] == "32x32 colour"
    with pytest.raises(UserError, match="features=inception takes 1 or 3 channels, not 4; set data.channels=3"):
        features.bind(4, 32, 32)
    with pytest.raises(UserError, match="not 2"):
        features(torch.zeros(1, 2, 8, 8, dtype=torch.uint8))


def test_resizes_of_inception_are_told_apart(random_inception: Path) -> None:
    clean = InceptionFeatures(random_inception, resize="clean")
    assert clean.protocol()["resize"] == "bicubic, antialiased, as Pillow's in float, to 299x299"
    image = torch.randint(0, 256, (1, 3, 20, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen = (clean_bicubic(image, (299, 299)) - 128) / 128
    for name, layer in clean.network.named_children():
        seen = layer(seen) if name != "fc" else seen
    assert torch.equal(clean(image), seen.flatten(1))
    with pytest.raises(UserError, match="resize=bicubic does not exist; choose torch_fidelity or clean"):
        InceptionFeatures(random_inception, resize="bicubic")


def test_standard_weights_are_fetched_once(hub: Path, tmp_path: Path) -> None:
    assert module.standard_inception_weights() == hub
    assert hub.read_bytes() == b"foobar"
    (tmp_path / hub.name).unlink()
    assert module.standard_inception_weights() == hub


def test_a_damaged_download_leaves_nothing(hub: Path, tmp_path: Path) -> None:
    (tmp_path / hub.name).write_bytes(b"foo")
    with pytest.raises(UserError, match=r'expected "c3ab8ff1", got "2c26b46b.*features.weights=FILE'):
        module.standard_inception_weights()
    assert list(hub.parent.iterdir()) == []


def test_a_damaged_cache_is_replaced(hub: Path) -> None:
    hub.parent.mkdir(parents=True)
    hub.write_bytes(b"foo")
    assert module.standard_inception_weights().read_bytes() == b"foobar"


def test_digits_weights_in_the_package() -> None:
    assert DIGITS_WEIGHTS.stat().st_size < 1_000_000
    images, labels = digits()
    _, held_out = split(labels)
    predicted = DigitsFeatures().classify(images[held_out]).argmax(dim=1)
    assert (predicted == labels[held_out]).double().mean() > 0.985


def test_digits_of_other_sizes_and_colours() -> None:
    features = DigitsFeatures()
    images, _ = digits()
    assert features(images[:2]).shape == (2, 64)
    small = torch.nn.functional.interpolate(images[:100].float(), (28, 28), mode="bilinear", antialias=True).byte()
    agreement = features.classify(small).argmax(dim=1) == features.classify(images[:100]).argmax(dim=1)
    assert agreement.double().mean() > 0.95
    assert torch.allclose(features.classify(images[:9]).sum(dim=1), torch.ones(9))
    with pytest.raises(
        UserError, match="features=digits takes 1 channel, not 3; set data.channels=1, or features=auto"
    ):
        features(images[:2].repeat(1, 3, 1, 1))


def test_memory_is_that_of_a_sub_batch() -> None:
    class Mean(Features):
        name, num_features, resize, batch_size = "mean", 1, "none", 4

        def __init__(self) -> None:
            super().__init__(b"")
            self.sizes: list[int] = []

        def extract(self, images: torch.Tensor) -> torch.Tensor:
            self.sizes.append(len(images))
            return images.float().mean(dim=(1, 2, 3))[:, None]

    features, images = Mean(), torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1)
    assert features(images).flatten().tolist() == list(range(10))
    assert features.sizes == [4, 4, 2]
    assert features.classify_features(features(images)) is None
    with pytest.raises(UserError, match="features=mean has no classes; set features=inception, digits or resnet50"):
        features.classify(images)


def test_digits_features_hardly_depend_on_the_batch() -> None:
    features = DigitsFeatures()
    images, _ = digits()
    whole = features(images[:120])
    probabilities = features.classify_features(whole)
    assert torch.equal(whole, features(images[:120]))
    assert probabilities is not None
    assert torch.equal(probabilities, features.classify(images[:120]))
    features.bind(1, 28, 20)
    assert features.protocol()["input"] == "20x28 grey, each side resized by itself"
    for size in (1, 7, 64):
        features.batch_size = size
        assert torch.allclose(features(images[:120]), whole, rtol=1e-5, atol=1e-5)


def test_settings_of_a_training_do_not_reach_features() -> None:
    class Settings(Features):
        name, num_features, resize = "settings", 4, "none"

        def extract(self, images: torch.Tensor) -> torch.Tensor:
            cudnn = torch.backends.cudnn
            exact = torch.get_float32_matmul_precision() == "highest"
            return torch.tensor([[exact, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic]]).float()

    torch.set_float32_matmul_precision("medium")
    try:
        assert Settings(b"")(torch.zeros(1, 1, 1, 1, dtype=torch.uint8)).tolist() == [[1, 0, 0, 1]]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_features_stay_frozen_and_exact_whatever_surrounds_them() -> None:
    features: Features = DigitsFeatures()
    images, _ = digits()
    plain = features(images[:4])
    features.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(features(images[:4]), plain)
    assert not features.training
    assert not plain.requires_grad
