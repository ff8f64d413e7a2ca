from pathlib import Path

import pytest
import torch
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from ganlab.errors import UserError
from ganlab.metrics.extractors.backbones import BackboneFeatures, _renamed
from ganlab.metrics.extractors.resizing import clean_bicubic


@pytest.fixture(scope="module")
def squeezed(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    """A small classifier of random weights, and their file."""
    torch.manual_seed(0)
    network = models.shufflenet_v2_x0_5().eval()
    file = tmp_path_factory.mktemp("backbones") / "shufflenet.pth"
    torch.save(network.state_dict(), file)
    return network, file


def test_features_are_what_the_last_layer_is_given(squeezed: tuple[torch.nn.Module, Path]) -> None:
    network, file = squeezed
    features = BackboneFeatures("shufflenet_v2_x0_5", file)
    assert (features.name, features.num_features, features.num_classes) == ("shufflenet_v2_x0_5", 1024, 1000)
    images = torch.randint(0, 256, (3, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (clean_bicubic(images, (224, 224)) / 255 - mean[:, None, None]) / deviation[:, None, None]
    with torch.no_grad():
        wanted = create_feature_extractor(network, {"mean": "features", "fc": "logits"})(pixels)
    found = features(images)
    probabilities = features.classify_features(found)
    assert probabilities is not None
    assert found.std() > 0
    assert torch.allclose(found, wanted["features"], atol=1e-5)
    assert torch.allclose(probabilities, wanted["logits"].softmax(dim=1), rtol=1e-4)
    features.bind(3, 20, 30)
    record = features.protocol()
    assert record["features"] == "shufflenet_v2_x0_5"
    assert record["resize"] == "bicubic, antialiased, as Pillow's in float, to 224x224"
    assert record["input"] == "30x20 colour, each side resized by itself"
    grey = images[:, :1]
    assert torch.equal(features(grey), features(grey.repeat(1, 3, 1, 1)))


def test_files_that_do_not_fit(
    squeezed: tuple[torch.nn.Module, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, file = squeezed
    with pytest.raises(
        UserError, match="does not hold weights of torchvision's resnet18.*resnet18-f37072fd.pth"
    ) as error:
        BackboneFeatures("resnet18", file)
    assert "\n" not in str(error.value)
    torch.save(Path("pickled object"), tmp_path / "code.pth")
    with pytest.raises(UserError, match="code.pth does not hold weights"):
        BackboneFeatures("resnet18", tmp_path / "code.pth")
    with pytest.raises(UserError, match="features=squeezenet1_0 has no last linear layer"):
        BackboneFeatures("squeezenet1_0", file)
    with pytest.raises(UserError, match="features=resnet does not exist.*such as resnet50"):
        BackboneFeatures("resnet", file)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    cached = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"another file")
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(UserError, match="resnet18-f37072fd.pth cannot be fetched .*features.weights=FILE"):
        BackboneFeatures("resnet18")


def unreachable(*_: object, **__: object) -> None:
    raise OSError("no network")


def test_densenets_files_have_older_names() -> None:
    old = "features.denseblock1.denselayer1.norm.1.weight"
    assert _renamed(old) == "features.denseblock1.denselayer1.norm1.weight"
    with torch.device("meta"):
        today = set(models.densenet121().state_dict())
    assert set(map(_renamed, today)) == today
