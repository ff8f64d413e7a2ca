import numpy as np
import pytest
import torch

from ganlab.networks import dcgan, dcgan_conditional, dcgan_imagenet32
from ganlab.networks.statistics import batch_norms
from ganlab.probes.features import PooledFeatures, float_batches, max_pooled


def pictures(count: int, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def test_the_papers_numbers_of_features() -> None:
    image = torch.zeros(1, 3, 32, 32)
    assert PooledFeatures(dcgan_imagenet32.Discriminator(32), image).length == 28_672  # table 1
    svhn = dcgan.Discriminator(32, width=64)  # the layout of the weights that the authors released
    features = PooledFeatures(svhn, image)
    assert [(one.channels, one.height) for one in features.layers] == [
        (64, 16),
        (128, 8),
        (256, 4),
    ]  # pooled by 4, 2, 1
    assert features(image).shape == (1, features.length) == (1, 7_168)  # table 2
    tutorial = dcgan.Discriminator(32, width=64, kernel=4, head="convolution")
    assert PooledFeatures(tutorial, image).length == 7_168  # the logit is none of them


def test_max_pooling() -> None:
    maps = torch.arange(64.0).view(1, 1, 8, 8)
    assert torch.equal(max_pooled(maps, 4), torch.nn.functional.max_pool2d(maps, 2))
    assert torch.equal(max_pooled(maps[:, :, :3, :3], 4), maps[:, :, :3, :3])
    assert max_pooled(torch.zeros(1, 1, 6, 6), 4).shape == (1, 1, 4, 4)


def test_frozen_statistics_are_means_over_minibatches() -> None:
    torch.manual_seed(0)
    network, images = dcgan.Discriminator(16, width=2), pictures(10, 16)
    features = PooledFeatures(network, torch.zeros(1, 3, 16, 16))
    features.freeze(images, batch_size=4)  # 4, 4 and 2 images, each batch counting alike
    means, variances = [], []
    for batch in float_batches(images, 4, (-1, 1)):
        maps = network.downsample[0][0](network.from_image(batch))
        means.append(maps.mean((0, 2, 3)))
        variances.append(maps.var((0, 2, 3), unbiased=False))
    assert features.averages is not None
    torch.testing.assert_close(features.averages[0][0], torch.stack(means).mean(0))
    torch.testing.assert_close(features.averages[0][1], torch.stack(variances).mean(0))
    assert torch.equal(batch_norms(network)[0].running_mean, torch.zeros(4))  # the network keeps its own


def test_features_do_not_depend_on_batch_mates() -> None:
    network, images = dcgan.Discriminator(16, width=2), pictures(5, 16)
    features = PooledFeatures(network, torch.zeros(1, 3, 16, 16))
    features.freeze(images)
    together = features.extract(images)
    place = np.empty((5, features.length), np.float32)
    assert features.extract(images, batch_size=1, out=place) is place
    np.testing.assert_allclose(place, together, atol=1e-5)
    assert network.training


def test_chosen_layers_and_labels() -> None:
    image = torch.zeros(1, 3, 16, 16)
    assert PooledFeatures(dcgan.Discriminator(16, width=2), image, layers=["from_image.0"]).length == 2 * 16
    with pytest.raises(ValueError, match="no layer"):
        PooledFeatures(dcgan.Discriminator(16, width=2), image, layers=["head"])
    conditional = dcgan_conditional.Discriminator(28, 1, 3, width=2, hidden_units=8)
    features = PooledFeatures(conditional, torch.zeros(1, 1, 28, 28), (0.0, 1.0), label=1)
    grey = pictures(3, 28)[:, :, :, :1]
    features.freeze(grey)
    assert features.extract(grey).shape == (3, (2 + 4) * 16)
