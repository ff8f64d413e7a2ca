import pytest
import torch
from torch import nn

from ganlab.networks import dcgan, dcgan_conditional, dcgan_imagenet32, resnet, sndcgan
from ganlab.probes.layers import feature_layers, find_layers, pick, recorded, tapped


def test_layers_end_after_norm_and_activation() -> None:
    found = find_layers(dcgan.Discriminator(32, width=2), torch.zeros(1, 3, 32, 32))
    assert [(one.name, one.end, one.channels, one.height) for one in found] == [
        ("from_image.0", "from_image.1", 2, 16),
        ("downsample.0.0", "downsample.0.2", 4, 8),
        ("downsample.1.0", "downsample.1.2", 8, 4),
    ]


@pytest.mark.parametrize(
    ("network", "inputs", "sides"),
    [
        (dcgan.Generator(32, width=2), (100,), [8, 16, 32]),
        (dcgan.Generator(32, width=2, upsampling="nearest"), (100,), [8, 16, 32]),
        (dcgan.Generator(32, width=2, upsampling="pixel_shuffle"), (100,), [8, 16, 32]),
        (dcgan.Discriminator(32, width=2, downsampling="max_pool"), (3, 32, 32), [16, 8, 4]),
        (dcgan_imagenet32.Discriminator(32, width=2), (3, 32, 32), [32, 16, 16, 8, 8, 4]),
        (sndcgan.Discriminator(32, width=2), (3, 32, 32), [32, 16, 16, 8, 8, 4, 4]),
    ],
)
def test_every_convolution_is_a_layer(network: nn.Module, inputs: tuple[int, ...], sides: list[int]) -> None:
    assert [one.height for one in find_layers(network, torch.zeros(1, *inputs))] == sides


def test_a_module_that_is_called_twice_ends_two_layers() -> None:
    network = resnet.Discriminator(32, width=2)
    found = find_layers(network, torch.zeros(1, 3, 32, 32))
    assert len({(one.end, one.call) for one in found}) == len(found) == 3 + 3 + 2 + 2
    assert {(one.name, one.end, one.call) for one in found} >= {("downsample.0.conv1", "downsample.0.activate", 1)}


@pytest.mark.parametrize("head", ["flatten", "global_average_pool", "convolution"])
def test_the_logit_is_no_feature_map(head: str) -> None:
    network = dcgan.Discriminator(32, width=2, head=head)
    image = torch.zeros(1, 3, 32, 32)
    assert [one.channels for one in feature_layers(network, image)] == [2, 4, 8]
    assert len(find_layers(network, image)) == 3 + (head == "convolution")
    with pytest.raises(ValueError, match="has no feature maps: its only convolution computes the logit"):
        feature_layers(nn.Sequential(nn.Conv2d(3, 1, 32), nn.Flatten()), image)


def test_conditional_networks() -> None:
    label = torch.zeros(1, dtype=torch.long)
    generator = dcgan_conditional.Generator(28, 1, 3, width=2, hidden_units=8)
    assert [one.channels for one in find_layers(generator, torch.zeros(1, 100), label)] == [2, 1]
    residual = resnet.Generator(32, 3, 3, width=2)
    ends = [one.end for one in find_layers(residual, torch.zeros(1, 128), label)]
    assert ends[0] == "upsample.0.activate"  # past the gains of class-conditional batch norm


def test_finding_leaves_the_network_as_it_was() -> None:
    network = dcgan.Discriminator(16, width=2)
    before = [value.clone() for value in network.state_dict().values()]
    find_layers(network, torch.randn(4, 3, 16, 16))
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    assert network.training and not any(module._forward_hooks for module in network.modules())


def test_taps_change_what_goes_on() -> None:
    network, images = dcgan.Discriminator(16, width=2).eval(), torch.randn(2, 3, 16, 16)
    layers = find_layers(network, images)
    with recorded(network, layers) as maps, torch.no_grad():
        before = network(images)
    assert maps["downsample.0.0"].shape == (2, 4, 4, 4)
    with tapped(network, layers[:1], lambda _, values: torch.zeros_like(values)), torch.no_grad():
        first, second = network(images), network(2 * images)
    assert torch.equal(first, second) and not torch.equal(first, before)  # in every pass, and nothing of the image left
    assert torch.equal(network(images), before)


def test_errors() -> None:
    with pytest.raises(ValueError, match="no convolutions"):
        find_layers(nn.Sequential(nn.Flatten(), nn.Linear(48, 1)), torch.zeros(1, 3, 4, 4))
    layers = find_layers(dcgan.Discriminator(16, width=2), torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match="no layer 'conv9'; layers: from_image.0, downsample.0.0"):
        pick(layers, "conv9")
