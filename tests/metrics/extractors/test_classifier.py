from collections.abc import Callable
from typing import Any

import pytest
import torch

from ganlab.classifiers.network import ImageClassifier
from ganlab.classifiers.training import Training, trained_classifier
from ganlab.errors import UserError
from ganlab.metrics.extractors.classifier import ClassifierFeatures

QUICK = Training(images=2_000, batch_size=50, learning_rate=1e-2, width=4, seed=0)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 28, 28), (28, 28)), ((3, 128, 128), (64, 64)), ((3, 96, 48), (64, 32)), ((3, 4, 4), (4, 4))],
)
def test_images_of_any_size(shape: tuple[int, int, int], size: tuple[int, int]) -> None:
    network = ImageClassifier(shape, [3, 2], width=4).eval()
    assert network.size == size
    features = network(torch.zeros(2, *shape, dtype=torch.uint8))
    assert features.shape == (2, 64)
    assert [answer.shape[1] for answer in network.logits(features)] == [3, 2]


def test_combinations_are_numbered_by_the_values_of_counted_factors(bars: Callable[..., Any]) -> None:
    pack = bars(300)
    features = ClassifierFeatures(trained_classifier(pack, QUICK))
    assert features.num_modes == 1
    features.count(["row", "column"])
    assert features.num_modes == 6
    images = torch.from_numpy(pack.images.transpose(0, 3, 1, 2).copy())
    mode, certain = features.predict_modes(features(images))
    assert (mode.numpy() == pack.labels @ (2, 1)).mean() > 0.9
    assert ((certain > 0) & (certain <= 1)).all()
    joint = features.classify(images)
    assert joint.shape == (300, 6)
    assert torch.allclose(joint.sum(dim=1), torch.ones(300))
    assert torch.equal(joint.argmax(dim=1), mode)
    features.count([])
    assert features.num_classes == 0
    features.count(["row", "column"])
    larger = torch.nn.functional.interpolate(images.float(), scale_factor=2.0).byte()
    assert (features.predict_modes(features(larger))[0] == mode).double().mean() > 0.8
    record = features.protocol()
    assert (record["features"], set(record["accuracy"])) == ("classifier", {"row", "column"})
    assert record["held_out"] == features.held_out
    with pytest.raises(UserError, match="takes 1 channel, not 3; set data.channels=1"):
        features(images.repeat(1, 3, 1, 1))


def test_channels_make_one_number(stacked_bars: Callable[..., Any]) -> None:
    pack = stacked_bars(300)
    features = ClassifierFeatures(trained_classifier(pack, QUICK))
    features.count(["red", "green"])
    images = torch.from_numpy(pack.images.transpose(0, 3, 1, 2).copy())
    assert features(images).shape == (300, 128)
    assert (features.predict_modes(features(images))[0].numpy() == pack.labels).mean() > 0.9
    swapped = features.predict_modes(features(images.flip(1)))[0].numpy()
    assert (swapped == pack.labels % 3 * 3 + pack.labels // 3).mean() > 0.9
