import pytest
import torch

from ganlab.metrics.generated import Generated

IMAGES = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)


def test_features_are_computed_once_and_only_when_asked_for(pixels: type) -> None:
    network = pixels(4)
    batch = Generated(IMAGES, network, torch.arange(3))
    assert (len(batch), batch.labels, network.batches) == (3, None, 0)
    assert torch.equal(batch.features, IMAGES.flatten(1).float())
    assert batch.features is batch.features
    assert network.batches == 1


def test_probabilities_come_from_the_pass_that_gives_features(pixels: type) -> None:
    class Told(pixels):  # type: ignore[misc]
        num_classes = 4

        def probabilities(self, features: torch.Tensor) -> torch.Tensor:
            return features.softmax(dim=1)

    network = Told(4)
    batch = Generated(IMAGES, network, torch.arange(3))
    assert torch.equal(batch.probabilities, IMAGES.flatten(1).float().softmax(dim=1))
    assert torch.equal(batch.features, IMAGES.flatten(1).float())
    assert network.batches == 1


def test_there_is_nothing_to_see_without_a_network(pixels: type) -> None:
    with pytest.raises(AssertionError, match="needs a feature network"):
        _ = Generated(IMAGES, None, torch.arange(3)).features
    with pytest.raises(AssertionError, match="needs a feature network that has classes"):
        _ = Generated(IMAGES, pixels(4), torch.arange(3)).probabilities
