import numpy as np
import pytest
import torch
from torch import nn

from ganlab.networks import dcgan, resnet, sndcgan
from ganlab.probes.guided_backpropagation import (
    explain,
    find_peaks,
    guided,
    receptive_field,
    square_around,
)
from ganlab.probes.layers import find_layers, recorded
from ganlab.probes.patches import feature_patches, lift
from ganlab.probes.random_weights import random_filters


def test_the_rule_by_hand() -> None:
    values = torch.tensor([[-2.0, 3.0, -1.0, 4.0]], requires_grad=True)
    weigh = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    network = nn.Sequential(nn.LeakyReLU(0.2))
    for rule, expected in (("leaky", [0.2, 1, 0, 0]), ("relu", [0, 1, 0, 0])):
        with guided(network, rule):
            out = network(values)
        (derivative,) = torch.autograd.grad((out * weigh).sum(), values)
        assert torch.equal(out, network(values))
        torch.testing.assert_close(derivative, torch.tensor([expected], dtype=torch.float32))
    (plain,) = torch.autograd.grad((network(values) * weigh).sum(), values)
    torch.testing.assert_close(plain, torch.tensor([[0.2, 1, -0.2, -1]]))  # nothing is left behind


def test_relus_alone_make_both_rules_one() -> None:
    torch.manual_seed(0)
    network = dcgan.Discriminator(16, width=2, activation="relu")
    layer = find_layers(network, torch.zeros(1, 3, 16, 16))[-1]
    images = torch.randn(2, 3, 16, 16)
    numbers = np.zeros((2, 16, 16, 3), np.uint8)
    peaks = find_peaks(network, numbers, layer, [1], 2)[0]
    both = [explain(network, images, layer, 1, peaks, rule=rule) for rule in ("leaky", "relu")]
    torch.testing.assert_close(*both)


def test_what_cannot_be_guided() -> None:
    with pytest.raises(ValueError, match="for ReLUs, not for ELU"), guided(nn.Sequential(nn.ELU())):
        pass
    with pytest.raises(ValueError, match="rule=deconv"), guided(nn.Sequential(), "deconv"):
        pass


def test_peaks_are_the_largest_responses() -> None:
    torch.manual_seed(0)
    network = dcgan.Discriminator(16, width=2).eval()
    images = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), np.uint8)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    layer = find_layers(network, pixels[:1])[-1]
    with recorded(network, [layer]) as maps, torch.no_grad():
        network(pixels)
    peaks = find_peaks(network, images, layer, [3, 0], 4, batch_size=4)
    for feature, found in zip([3, 0], peaks, strict=True):
        tops = maps[layer.name][:, feature].flatten(1).max(1).values.sort(descending=True).values
        np.testing.assert_allclose([one.value for one in found], tops[:4], rtol=1e-4)
        assert len({one.image for one in found}) == 4
        for one in found:
            assert maps[layer.name][one.image, feature, one.row, one.column].item() == pytest.approx(
                one.value, rel=1e-4
            )


@pytest.mark.parametrize(
    ("network", "layer", "unit", "expected"),
    [
        # 5x5 kernels, stride 2, padding 2: fields of 5, 13, 29 pixels about 2 * unit, 4 * unit, 8 * unit
        (dcgan.Discriminator(64, width=2), 0, (5, 6), (10, 8, 15, 13)),
        (dcgan.Discriminator(64, width=2), 2, (4, 3), (10, 18, 39, 47)),
        (dcgan.Discriminator(64, width=2), 2, (0, 7), (42, 0, 64, 15)),  # cut at the border
        (sndcgan.Discriminator(32, width=2), 1, (3, 3), (4, 4, 10, 10)),  # 3x3, then 4x4 of stride 2
    ],
)
def test_receptive_fields(network: nn.Module, layer: int, unit: tuple[int, int], expected: tuple[int, ...]) -> None:
    image = torch.zeros(1, 3, *([64, 64] if isinstance(network, dcgan.Discriminator) else [32, 32]))
    assert receptive_field(network, find_layers(network, image)[layer], image, *unit) == expected


@pytest.mark.parametrize("kind", [dcgan.Discriminator, resnet.Discriminator])
def test_nothing_outside_the_field_changes_a_unit(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = kind(32, width=2).eval()
    image = torch.randn(1, 3, 32, 32)
    layer = find_layers(network, image)[1]
    x0, y0, x1, y1 = receptive_field(network, layer, image, 3, 2)
    outside = torch.ones(32, 32, dtype=torch.bool)
    outside[y0:y1, x0:x1] = False
    with recorded(network, [layer]) as maps, torch.no_grad():
        network(image)
        before = maps[layer.name][0, :, 3, 2]
        network(torch.where(outside, torch.randn(1, 3, 32, 32), image))
        torch.testing.assert_close(maps[layer.name][0, :, 3, 2], before)


def test_patches_lie_in_the_image() -> None:
    assert square_around((10, 18, 39, 47), 29, 64) == (slice(18, 47), slice(10, 39))
    assert square_around((42, 0, 64, 15), 29, 64) == (slice(0, 29), slice(35, 64))


@pytest.mark.parametrize("normalization", ["batch", "spectral", "weight"])
def test_random_filters_are_fresh(normalization: str) -> None:
    network = dcgan.Discriminator(16, width=2, normalization=normalization)
    image = torch.randn(3, 3, 16, 16)
    first, again, second = (random_filters(network, seed).eval()(image) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, second)
    assert not torch.equal(first, network.eval()(image))


def test_a_feature_that_looks_at_an_object_has_its_response_there() -> None:
    """A discriminator whose features see red, on images with one red square each."""
    rng = np.random.default_rng(0)
    images, boxes = np.full((12, 16, 16, 3), 60, np.uint8), np.zeros((12, 2, 4), np.float32)
    for image, box in zip(images, boxes, strict=True):
        x, y = rng.integers(0, 12, 2)
        image[y : y + 4, x : x + 4, 0] = 250
        box[0] = np.array([x, y, x + 4, y + 4]) / 16
    network = dcgan.Discriminator(16, width=2, normalization="none")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.1)
            nn.init.zeros_(module.bias) if module.bias is not None else None
    with torch.no_grad():
        network.from_image[0].weight[:, 1:] = -0.1
        network.from_image[0].weight[:, 0] = 0.3
    layer = find_layers(network, torch.zeros(1, 3, 16, 16))[1]
    found = feature_patches(network, images, layer, [0, 1], 3, boxes=boxes, rule="relu")
    assert [one.feature for one in found] == [0, 1]
    assert found[0].pixels.shape == found[0].guided.shape == (3, 3, 13, 13) and found[0].pixels.dtype == torch.uint8
    assert found[0].pixels[:, 0].float().amax() == 250 and lift(found) > 1.2
    with pytest.raises(ValueError, match="13 patches per feature need as many images, and there are 12"):
        feature_patches(network, images, layer, [0], 13)
    without = feature_patches(network, images, layer, [0], 3)[0]
    assert without.inside is None and torch.equal(without.pixels, found[0].pixels)
