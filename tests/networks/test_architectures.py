"""The architectures besides DCGAN's own: the numbers of their papers, what holds for each, and how they are paired."""

from collections.abc import Callable
from copy import deepcopy
from inspect import signature
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from ganlab.configuration.entry import CONF
from ganlab.networks import (
    dcgan,
    dcgan_conditional,
    dcgan_imagenet32,
    mlp,
    mlp_conditional,
    resnet,
    sndcgan,
)
from ganlab.networks.statistics import sampling, standing_averages

COUNT, CLASSES = 4, 3
Made = tuple[Any, nn.Module, int]  # generator, discriminator, image size


def pair(module: Any, size: int, generator: dict[str, Any], discriminator: dict[str, Any], **both: Any) -> Made:
    made = [
        kind(image_size=size, channels=2, **both, **values)
        for kind, values in ((module.Generator, generator), (module.Discriminator, discriminator))
    ]
    return made[0], made[1], size


SMALL: dict[str, Callable[[], Made]] = {
    "dcgan_imagenet32": lambda: pair(dcgan_imagenet32, 16, {}, {}, width=2),
    "dcgan_conditional": lambda: pair(dcgan_conditional, 28, {}, {}, classes=CLASSES, width=2, hidden_units=8),
    "mlp": lambda: pair(
        mlp, 7, {"units": [8, 8], "activations": ["relu", "sigmoid"], "output": "linear"}, {"units": [6, 6]}
    ),
    "mlp_conditional": lambda: pair(mlp_conditional, 7, {}, {}, classes=CLASSES, units=[8, 8]),
    "sndcgan": lambda: pair(sndcgan, 24, {}, {}, width=2),
    "sndcgan_batch": lambda: pair(sndcgan, 16, {}, {"normalization": "batch"}, width=2),
    **{f"resnet_{size}": lambda size=size: pair(resnet, size, {}, {}, width=1) for size in resnet.LAYOUTS},
    "resnet_conditional": lambda: pair(resnet, 32, {}, {}, classes=CLASSES, width=1),
    "resnet_without_norm": lambda: pair(resnet, 32, {}, {"normalization": "none"}, width=1),
}


def labels_for(network: Any) -> tuple[Tensor, ...]:
    return (torch.tensor([0, 1, 2, 1]),) if getattr(network, "classes", 0) else ()


@pytest.mark.parametrize("name", SMALL)
def test_images_logits_and_gradients(name: str) -> None:
    torch.manual_seed(0)
    generator, discriminator, size = SMALL[name]()
    latents = generator.draw_latents(COUNT, torch.Generator().manual_seed(0))
    images = generator(latents, *labels_for(generator))
    assert images.shape == (COUNT, 2, size, size)
    reals = images.detach().requires_grad_(True)
    assert discriminator(images, *labels_for(discriminator)).shape == (COUNT,)
    discriminator(images, *labels_for(discriminator)).sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in generator.parameters())
    discriminator.zero_grad()
    logits = discriminator(reals, *labels_for(discriminator))
    (slope,) = torch.autograd.grad(logits.sum(), reals, create_graph=True)
    (logits.sum() + slope.square().sum()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in discriminator.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_states_travel_and_seeds_repeat(name: str) -> None:
    torch.manual_seed(5)
    first = SMALL[name]()
    torch.manual_seed(5)
    again = SMALL[name]()
    other = SMALL[name]()
    for mine, same, fresh in zip(first[:2], again[:2], other[:2], strict=True):
        states = mine.state_dict()
        assert all(torch.equal(value, states[key]) for key, value in same.state_dict().items())
        assert any(not torch.equal(value, states[key]) for key, value in fresh.state_dict().items())
        fresh.load_state_dict(states)
        assert all(torch.equal(value, states[key]) for key, value in fresh.state_dict().items())


@pytest.mark.parametrize("statistics", ["running", "batch", "standing"])
@pytest.mark.parametrize("name", ["dcgan_conditional", "sndcgan", "resnet_conditional", "mlp"])
def test_sampling_in_any_mode_leaves_no_trace(name: str, statistics: str) -> None:
    generator = SMALL[name]()[0].train()
    rng = torch.Generator().manual_seed(0)
    batches = [(generator.draw_latents(COUNT, rng), *labels_for(generator)) for _ in range(3)]
    generator(*batches[0])  # running averages that differ from their start
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    state = torch.get_rng_state()
    standing = standing_averages(generator, batches)
    with sampling(generator, statistics, standing):
        generator(*batches[1])
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())
    assert all(module.training and not module._forward_pre_hooks for module in generator.modules())


@pytest.mark.parametrize("name", ["dcgan_conditional", "sndcgan", "resnet_32", "resnet_conditional"])
def test_batch_norms_that_several_devices_share_sample_alike(name: str) -> None:
    generator = SMALL[name]()[0].train()
    given = (generator.draw_latents(COUNT, torch.Generator().manual_seed(0)), *labels_for(generator))
    generator(*given)  # running averages that differ from those of the batch
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(deepcopy(generator))
    kinds = [type(module) for module in shared.modules()]
    assert nn.SyncBatchNorm in kinds and not {nn.BatchNorm1d, nn.BatchNorm2d} & set(kinds)
    assert list(shared.state_dict()) == list(generator.state_dict())
    samples = []
    for statistics in ("running", "batch", "standing"):
        for network in (generator, shared):
            with sampling(network, statistics, standing_averages(network, [given])):
                samples.append(network(*given))
        assert torch.equal(*samples[-2:])
    assert not torch.equal(samples[0], samples[2])  # running averages are not those of the batch


def test_standing_averages_are_those_of_their_batches() -> None:
    generator = dcgan.Generator(16, 1, 4)
    batches = [(torch.randn(5, 100),) for _ in range(4)]
    mean, variance = standing_averages(generator, batches)[0]
    with torch.no_grad():
        units = [generator.project[0](latents) for (latents,) in batches]
    torch.testing.assert_close(mean, torch.stack([u.mean(0) for u in units]).mean(0))
    torch.testing.assert_close(variance, torch.stack([u.var(0, unbiased=False) for u in units]).mean(0))
    with sampling(generator, "standing", [*standing_averages(generator, batches)]):
        whole, alone = generator(batches[0][0]), generator(batches[0][0][:1])
    torch.testing.assert_close(whole[:1], alone)  # no sample depends on its batch mates


# What the papers' tables say


def shapes(network: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.dim() > 1]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_imagenet32_has_the_maps_of_the_cifar_features() -> None:
    discriminator = dcgan_imagenet32.Discriminator()
    kernels = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in kernels] == [128, 128, 256, 256, 512, 512]
    assert [m.stride[0] for m in kernels] == [1, 2, 1, 2, 1, 2]
    assert sum(m.out_channels for m in kernels) == 1792 and 1792 * 16 == 28_672
    assert shapes(discriminator)[-1] == (1, 8192)
    generator = dcgan_imagenet32.Generator()
    assert shapes(generator) == [
        (8192, 256), (512, 512, 3, 3), (512, 256, 3, 3), (256, 256, 3, 3), (256, 128, 3, 3), (128, 128, 3, 3),
        (128, 3, 3, 3),
    ]  # fmt: skip


def test_conditional_mnist_has_the_authors_shapes() -> None:
    generator, discriminator = (
        kind(28, 1, 10) for kind in (dcgan_conditional.Generator, dcgan_conditional.Discriminator)
    )
    assert shapes(generator) == [(1024, 110), (6272, 1034), (138, 64, 5, 5), (74, 1, 5, 5)]
    assert shapes(discriminator) == [(64, 11, 5, 5), (128, 74, 5, 5), (1024, 6282), (1, 1034)]
    assert len(list(generator.parameters())) == 4 and len(list(discriminator.parameters())) == 4  # no gain, no bias
    assert generator.value_range == (0.0, 1.0)


def test_the_original_gans_have_the_authors_units_and_initial_weights() -> None:
    generator = mlp.Generator(28, 1, units=[1200, 1200], activations=["relu", "relu"], output="sigmoid")
    discriminator = mlp.Discriminator(28, 1, units=[240, 240])
    assert shapes(generator) == [(1200, 100), (1200, 1200), (784, 1200)]
    assert shapes(discriminator) == [(1200, 784), (1200, 240), (1, 240)]
    for network, bound in ((generator, 0.05), (discriminator, 0.005)):
        weights = torch.cat([p.detach().flatten() for p in network.parameters() if p.dim() > 1])
        assert weights.abs().max() <= bound and weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
        assert all(not p.any() for p in network.parameters() if p.dim() == 1)
    latents = generator.draw_latents(20_000, torch.Generator().manual_seed(0))
    assert latents.abs().max() <= 3**0.5 and latents.std().item() == pytest.approx(1, rel=0.01)
    assert [m.p for m in discriminator.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.5, 0.5]


def test_maxout_takes_the_largest_piece_of_each_unit() -> None:
    assert mlp.Maxout(3)(torch.tensor([[1.0, 5, 2, -4, -2, -3]])).tolist() == [[5.0, -2.0]]


def test_sndcgan_has_the_papers_layers() -> None:
    generator, discriminator = sndcgan.Generator(), sndcgan.Discriminator()
    assert [tuple(m.weight.shape) for m in discriminator.modules() if isinstance(m, (nn.Conv2d, nn.Linear))] == [
        (64, 3, 3, 3), (64, 64, 4, 4), (128, 64, 3, 3), (128, 128, 4, 4), (256, 128, 3, 3), (256, 256, 4, 4),
        (512, 256, 3, 3), (1, 8192),
    ]  # fmt: skip
    assert shapes(generator) == [
        (8192, 128), (512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (3, 64, 3, 3)
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no multiple of 8 of at least 16; nearest size: 32"):
        sndcgan.Generator(28)


def test_residual_networks_have_the_papers_blocks() -> None:
    with torch.device("meta"):
        small, large = resnet.Generator(32), resnet.Generator(128)
        small_d, large_d = (resnet.Discriminator(size, normalization="none") for size in (32, 128))
    assert count(small) == 4_276_739  # as other re-implementations count SNGAN's generator for CIFAR-10
    assert [tuple(block.conv1.weight.shape[:2]) for block in large.upsample] == [
        (1024, 1024), (512, 1024), (256, 512), (128, 256), (64, 128)
    ]  # fmt: skip
    assert shapes(large)[0] == (4 * 4 * 1024, 128) and shapes(small)[0] == (4 * 4 * 256, 128)

    def blocks(network: nn.Module) -> list[tuple[int, bool]]:
        found = [m for m in network.modules() if isinstance(m, (resnet.FirstBlock, resnet.DownBlock))]
        return [(m.conv2.out_channels, isinstance(m.pool, nn.AvgPool2d)) for m in found]

    assert blocks(small_d) == [(128, True), (128, True), (128, False), (128, False)]
    maps = [64, 128, 256, 512, 1024, 1024]
    assert blocks(large_d) == list(zip(maps, [True] * 5 + [False], strict=True))
    assert all(isinstance(block.shortcut, nn.Identity) for block in (*small_d.downsample[1:3], large_d.downsample[4]))


def test_the_projection_adds_the_inner_product_with_the_class() -> None:
    _, discriminator, size = SMALL["resnet_conditional"]()
    images = torch.rand(1, 2, size, size).expand(CLASSES, -1, -1, -1)
    logits = discriminator.eval()(images, torch.arange(CLASSES))
    sums = discriminator.downsample(discriminator.from_image(images)).sum((2, 3))
    expected = discriminator.head(sums).squeeze(1) + (discriminator.embedding.weight * sums).sum(1)
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("classes", [None, 0])
@pytest.mark.parametrize("module", [dcgan_conditional, mlp_conditional])
def test_conditional_networks_want_classes(module: Any, classes: int | None) -> None:
    options = {"units": [4]} if module is mlp_conditional else {}
    for kind in (module.Generator, module.Discriminator):
        with pytest.raises(ValueError, match="type data.num_classes=N"):
            kind(28, 1, classes, **options)
    with pytest.raises(ValueError, match="type data.num_classes=N"):
        resnet.Generator(32, 1, None)


def test_other_sizes_and_norms_of_residual_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes: 32, 48, 64, 128"):
        resnet.Generator(28)
    with pytest.raises(ValueError, match="choose spectral, weight or none"):
        resnet.Discriminator(normalization="batch")


# How conf/architecture pairs them

PAIRS, GENERATORS, DISCRIMINATORS = (
    sorted(path.stem for path in CONF.glob(f"architecture/{group}*.yaml"))
    for group in ("", "generator/", "discriminator/")
)


TRANSLATIONS = ("pix2pix", "cyclegan", "context_encoder")  # pictures into pictures


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(overrides=["+data=digits", *overrides])


@pytest.mark.parametrize("pair", PAIRS)
def test_every_pair_has_the_keys_that_networks_read_without_a_default(pair: str) -> None:
    architecture = composed(f"+architecture={pair}").architecture
    of_latents = () if architecture.generator._target_.split(".")[-2] in TRANSLATIONS else ("latent_size", "prior")
    assert {"width", *of_latents} <= architecture.keys()


@pytest.mark.parametrize("pair", ["mlp", "dcgan"])  # the fewest keys for both networks, and the most
def test_any_generator_meets_any_discriminator(pair: str) -> None:
    # A network reads the pair's keys and the data's alone, so that each has to be tried once, not with each other.
    count = max(len(GENERATORS), len(DISCRIMINATORS))
    for index in range(count):
        generator, discriminator = GENERATORS[index % len(GENERATORS)], DISCRIMINATORS[index % len(DISCRIMINATORS)]
        chosen = f"architecture/generator={generator}", f"architecture/discriminator={discriminator}"
        config = composed(f"+architecture={pair}", *chosen, "architecture.width=2")
        with torch.device("meta"):
            made = [instantiate(config.architecture[name], _convert_="all") for name in ("generator", "discriminator")]
        given = (made[0].latent_size,) if generator not in TRANSLATIONS else made[0].input_shape
        logits = (COUNT, 1, 2, 2) if discriminator == "pix2pix" else (COUNT,)
        networks = {
            "generator": (made[0], torch.empty(COUNT, *given, device="meta"), (COUNT, 1, 32, 32)),
            "discriminator": (made[1], torch.empty(COUNT, 1, 32, 32, device="meta"), logits),
        }
        for network, inputs, shape in networks.values():
            assert network.eval()(inputs, *(label.to("meta") for label in labels_for(network))).shape == shape


@pytest.mark.parametrize(
    "half", [*(f"generator/{n}" for n in GENERATORS), *(f"discriminator/{n}" for n in DISCRIMINATORS)]
)
def test_a_networks_file_mirrors_its_constructor(half: str) -> None:
    group, name = half.split("/")
    arguments = composed("+architecture=mlp", f"architecture/{group}={name}").architecture[group]
    values = OmegaConf.to_container(arguments, resolve=True)
    parameters = signature(get_class(values.pop("_target_"))).parameters  # type: ignore[union-attr]
    missing = parameters.keys() - values.keys()
    assert values.keys() <= parameters.keys() and missing <= {"classes"}
    if name in (
        "dcgan",
        "sndcgan",
        "resnet",
        *TRANSLATIONS,
    ):  # not variants: the values are the defaults
        shared = {"image_size", "channels", "width", "latent_size", "prior"}
        shared |= {"input_channels", "condition_channels", "region"}
        for key in values.keys() - shared:
            assert values[key] == parameters[key].default, f"{half}: {key}"


def test_a_pairs_keys_reach_both_of_its_networks_whichever_they_are() -> None:
    chosen = ("architecture/generator=sndcgan", "architecture/discriminator=dcgan")
    architecture = composed("+architecture=dcgan", *chosen, "architecture.width=6", "architecture.eps=0.5").architecture
    assert architecture.generator.width == architecture.discriminator.width == 6
    assert architecture.generator.eps == architecture.discriminator.eps == 0.5
    assert "kernel" not in architecture.generator and architecture.discriminator.kernel == 5
    architecture = composed("+architecture=mlp", *chosen, "architecture.discriminator.kernel=3").architecture
    assert architecture.discriminator.kernel == 3 and architecture.discriminator.eps == 1e-8  # the pair has neither
    assert architecture.generator.eps == 1e-5


SMOKE = ("debug=smoke", "logger=none", "metrics=none", "max_images=64", "run=mixed")


@pytest.mark.parametrize(
    "chosen",
    [
        ("architecture=dcgan", "architecture/discriminator=resnet"),
        ("architecture/generator=sndcgan", "architecture/discriminator=dcgan"),
    ],
)
def test_networks_of_two_papers_train_together(command: Callable[..., Any], chosen: tuple[str, ...]) -> None:
    outcome = command("train", *chosen, *SMOKE)
    assert outcome.code == 0, outcome.err
    assert "finished    64 images" in outcome.out


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            ("architecture=dcgan_conditional", "architecture/discriminator=dcgan"),
            "the generator has 10 classes and the",
        ),
        (
            ("architecture=mlp", "architecture/discriminator=dcgan", "architecture.maxout_units=7"),
            "architecture.maxout_units changes nothing: neither",
        ),
        (
            ("architecture=mlp", "architecture/discriminator=dcgan", "architecture.kernel=7"),
            "there is no key architecture.kernel with the options chosen: it belongs to architecture=dcgan",
        ),
        (
            ("architecture/discriminator=resnet", "architecture.discriminator.input_bias=true"),
            "no key architecture.discriminator.input_bias with the options chosen: it belongs to architecture/disc",
        ),
        (
            ("architecture=pix2pix", "architecture/generator=dcgan"),
            "this architecture= has no latent_size for the network",
        ),
        (("architecture/generator=cyclegan",), "this generator takes pictures: type a generator of latents such as"),
        (
            ("architecture/discriminator=dcgn",),
            "architecture/discriminator=dcgn does not exist: type architecture/discriminator=dcgan; choose one of con",
        ),
    ],
)
def test_what_a_pair_cannot_take_is_one_line(
    command: Callable[..., Any], chosen: tuple[str, ...], message: str
) -> None:
    outcome = command("train", *chosen, *SMOKE)
    assert outcome.code == 1 and message in outcome.err and outcome.err.count("\n") == 1
