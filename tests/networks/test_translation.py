"""Networks of pictures into pictures: the counts of the published networks, shapes, dropout, refused sizes."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from ganlab.errors import UserError
from ganlab.networks import context_encoder, cyclegan, pix2pix
from ganlab.networks.statistics import sampling


def count(make: Callable[..., nn.Module], *args: Any, **options: Any) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make(*args, **options).parameters())


def with_biases(make: Callable[..., nn.Module], *args: Any, **options: Any) -> int:
    """The count with the biases that Lua's convolutions have, and set to zero at each step."""
    with torch.device("meta"):
        network = make(*args, **options)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)) and m.bias is None]
    return sum(p.numel() for p in network.parameters()) + sum(layer.out_channels for layer in layers)


NORMS = ("batch", "instance", "none")
CHANNELS = ((3, 3), (1, 3), (1, 2), (1, 1))
TRANSLATIONS: dict[tuple[Callable[..., nn.Module], tuple[Any, ...]], list[tuple[int, ...]]] = {
    (pix2pix.Generator, (256,)): [
        (54_413_955, 54_411_907, 54_409_858, 54_407_809),
        (54_409_603, 54_407_555, 54_405_506, 54_403_457),
        (54_404_099, 54_402_051, 54_400_002, 54_397_953),
    ],
    (pix2pix.Generator, (128,)): [
        (41_828_995, 41_826_947, 41_824_898, 41_822_849),
        (41_825_667, 41_823_619, 41_821_570, 41_819_521),
        (41_821_187, 41_819_139, 41_817_090, 41_815_041),
    ],
    (cyclegan.Generator, (9,)): [
        (11_383_427, 11_377_155, 11_374_018, 11_370_881),
        (11_378_179, 11_371_907, 11_368_770, 11_365_633),
        (11_372_931, 11_366_659, 11_363_522, 11_360_385),
    ],
    (cyclegan.Generator, (6,)): [
        (7_841_411, 7_835_139, 7_832_002, 7_828_865),
        (7_837_699, 7_831_427, 7_828_290, 7_825_153),
        (7_833_987, 7_827_715, 7_824_578, 7_821_441),
    ],
}


def test_generators_have_the_published_parameters() -> None:
    for (make, (size,)), table in TRANSLATIONS.items():
        options = {"image_size": size} if make is pix2pix.Generator else {"blocks": size}
        for (norm, row), (held, made) in product(zip(NORMS, table, strict=True), CHANNELS):
            expected = row[CHANNELS.index((held, made))]
            assert count(make, **options, channels=made, input_channels=held, normalization=norm) == expected


PATCHES = {  # three channels, by layers; an input of three more adds the first layer's kernels
    "batch": (8832, 136_513, 663_361, 2_765_633, 6_960_961, 11_156_289, 15_351_617),
    "instance": (8705, 136_385, 662_977, 2_764_737, 6_959_553, 11_154_369, 15_349_185),
    "none": (8576, 136_257, 662_593, 2_763_841, 6_958_145, 11_152_449, 15_346_753),
}


def test_patchgans_have_the_published_parameters() -> None:
    for norm, row in PATCHES.items():
        for layers, expected in enumerate(row):
            made = [
                count(pix2pix.Discriminator, condition_channels=held, layers=layers, normalization=norm)
                for held in (0, 3)
            ]
            assert made == [expected, expected + 3 * 64 * (16 if layers else 1)]
    assert count(pix2pix.Discriminator) == 2_768_705


def test_networks_without_skips_and_context_encoders_have_the_authors_parameters() -> None:
    for size, skips, without, biased in [
        (256, True, 54_413_955, 54_419_459),
        (128, True, 41_828_995, 41_833_475),
        (256, False, 39_075_459, 39_080_963),
        (128, False, 30_684_803, 30_689_283),
    ]:
        assert count(pix2pix.Generator, size, skips=skips) == without
        assert with_biases(pix2pix.Generator, size, skips=skips) == biased
    generator, discriminator = context_encoder.Generator, context_encoder.Discriminator
    assert (count(generator), with_biases(generator)) == (71_124_544, 71_130_531)
    assert (count(discriminator), with_biases(discriminator)) == (2_765_568, 2_766_529)
    assert count(generator, bottleneck_units=100) == 7_219_144
    assert (count(generator, region="whole"), with_biases(generator, region="whole")) == (71_190_208, 71_196_259)
    assert count(discriminator, region="whole") == 2_831_232
    assert with_biases(discriminator, region="whole") == 2_832_257


MADE: dict[str, tuple[Callable[[], Any], tuple[int, ...], tuple[int, ...]]] = {
    **{
        f"unet_{size}": (lambda size=size: pix2pix.Generator(size, 2, 1, 2), (1, size, size), (2, size, size))
        for size in (4, 8, 32)
    },
    "unet_wide": (lambda: pix2pix.Generator(16, 2, 3, 2, upsampling="nearest"), (3, 16, 48), (2, 16, 48)),
    "encoder_decoder": (lambda: pix2pix.Generator(16, 1, 2, 2, skips=False), (2, 16, 16), (1, 16, 16)),
    "unet_instance": (lambda: pix2pix.Generator(8, 1, 1, 2, normalization="instance"), (1, 8, 8), (1, 8, 8)),
    "residual": (lambda: cyclegan.Generator(32, 2, 1, 2, 2, dropout=0.5), (1, 12, 20), (2, 12, 20)),
    "residual_bilinear": (lambda: cyclegan.Generator(8, 1, 1, 2, 0, "batch", 0.0, "bilinear"), (1, 8, 8), (1, 8, 8)),
    "centre": (lambda: context_encoder.Generator(32, 2, "centre", 2, bottleneck_units=5), (2, 32, 32), (2, 16, 16)),
    "whole": (lambda: context_encoder.Generator(28, 1, "whole", 2, bottleneck_units=5), (1, 28, 28), (1, 28, 28)),
    "channelwise": (lambda: context_encoder.Generator(16, 1, "centre", 2, "channelwise"), (1, 16, 16), (1, 8, 8)),
    "pixel": (lambda: pix2pix.Discriminator(8, 1, 2, 2, 0), (3, 8, 7), (1, 8, 7)),
    "patches": (lambda: pix2pix.Discriminator(32, 1, 2, 2, 3), (3, 33, 26), (1, 2, 1)),
    "hole": (lambda: context_encoder.Discriminator(32, 1, "centre", 2), (1, 16, 16), ()),
}


@pytest.mark.parametrize("name", MADE)
def test_every_parameter_learns_and_shapes_are_kept(name: str) -> None:
    torch.manual_seed(0)
    make, given, expected = MADE[name]
    network = make()
    output = network(torch.randn(2, *given))
    assert output.shape == (2, *expected)
    output.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


def dropped(depth: int, kind: str) -> list[int]:
    """The levels of a U-Net whose up-sampling is followed by dropout, 0 next to the image."""
    with torch.device("meta"):
        up = pix2pix.Generator(2**depth, dropout=kind).up
    return sorted(depth - 1 - index for index, block in enumerate(up) if isinstance(block[-1], nn.Dropout))


def test_dropout_stands_where_either_code_has_it() -> None:
    assert [dropped(depth, "lua") for depth in (8, 7, 5)] == [[5, 6, 7], [4, 5, 6], [2, 3, 4]]
    assert [dropped(depth, "pytorch") for depth in (8, 7, 6, 5)] == [[4, 5, 6], [4, 5], [4], []]
    assert dropped(8, "none") == [] and dropped(2, "lua") == [1]


def test_dropout_is_noise_when_sampling_only_if_asked_for() -> None:
    network, pictures = pix2pix.Generator(16, 1, 1, 4), torch.randn(2, 1, 16, 16)
    with sampling(network, "batch"):
        assert torch.equal(network(pictures), network(pictures))
    with sampling(network, "batch", dropout=True):
        assert not torch.equal(network(pictures), network(pictures))
    assert all(module.training for module in network.modules())


def test_channelwise_layers_mix_pixels_before_channels() -> None:
    bottleneck = context_encoder.Generator(16, 1, "centre", 2, "channelwise").bottleneck
    features = torch.randn(1, 4, 4, 4)
    kernel = bottleneck[0].weight.reshape(4, 16, 16)
    expected = torch.einsum("cqp,ncp->ncq", kernel, features.flatten(2)).reshape(1, 4, 4, 4)
    torch.testing.assert_close(bottleneck[:3](features), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pix2pix.Generator(48), "image size 48 is no power of two of at least 4; nearest sizes: 32, 64"),
        (lambda: pix2pix.Generator(3), "nearest sizes: 4"),
        (lambda: pix2pix.Generator(64, normalization="layer"), "choose one of batch, instance, none"),
        (lambda: pix2pix.Discriminator(16), "image size 16 is too small for 3 layers, which need 24"),
        (lambda: cyclegan.Generator(30), "pictures of 30x30 pixels do not fit: the sides must be multiples of 4"),
        (lambda: cyclegan.Generator(4), "too small: the sides must be at least 8"),
        (lambda: context_encoder.Generator(72), "image size 72 cannot be made"),
        (lambda: context_encoder.Generator(64, region="left"), "region=left must be centre or whole"),
    ],
)
def test_sizes_and_names_that_do_not_exist_are_refused(make: Callable[[], Any], message: str) -> None:
    with torch.device("meta"), pytest.raises((ValueError, UserError), match=message):
        make()


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: pix2pix.Generator(8, width=1), (3, 16, 20), "of 16x20 pixels do not fit.* multiples of 8$"),
        (lambda: pix2pix.Generator(8, width=1), (1, 8, 8), "takes pictures of 3 channels, and these have 1$"),
        (lambda: cyclegan.Generator(8, width=1), (3, 8, 10), "multiples of 4$"),
        (lambda: cyclegan.Generator(8, width=1), (3, 8, 4), "must be at least 8$"),
        (lambda: pix2pix.Discriminator(32, width=1), (6, 23, 40), "of 23x40 pixels are too small.* at least 24$"),
        (lambda: pix2pix.Discriminator(32, width=1), (3, 32, 32), "takes pictures of 6 channels, and these have 3$"),
        (lambda: context_encoder.Generator(16, width=1), (3, 16, 32), "of 16x16x3, and these are 16x32x3: its size"),
        (lambda: context_encoder.Discriminator(16, width=1), (3, 16, 16), "takes pictures of 8x8x3"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(make: Callable[[], Any], shape: tuple[int, ...], message: str) -> None:
    with torch.device("meta"), pytest.raises(UserError, match=message):
        make()(torch.empty(1, *shape))
