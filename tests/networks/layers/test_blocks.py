"""Every switch with every other: what holds whatever the combination."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ganlab.networks.dcgan import Discriminator, Generator
from ganlab.networks.layers.blocks import HEADS, INITIALIZATIONS, OUTPUTS, PROJECTIONS
from ganlab.networks.layers.minibatch import MINIBATCHES
from ganlab.networks.layers.resampling import DOWNSAMPLINGS, UPSAMPLINGS, BedOfNails, transposed, unpooled
from ganlab.networks.layers.style import ACTIVATIONS, NORMALIZATIONS, LayerStyle
from ganlab.networks.statistics import sampling

COUNT = 4


def one_of(table: dict) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(table))


shared = {
    "image_size": st.sampled_from([16, 28, 32]),
    "channels": st.sampled_from([1, 3]),
    "width": st.sampled_from([2, 4]),
    "kernel": st.sampled_from([3, 4, 5]),
    "normalization": one_of(NORMALIZATIONS),
    "activation": one_of(ACTIVATIONS),
    "hidden_layers": st.sampled_from([0, 1, 2]),
    "hidden_units": st.sampled_from([3, 8]),
    "dropout": st.sampled_from([0.0, 0.5]),
    "initialization": one_of(INITIALIZATIONS),
}
generators = st.fixed_dictionaries(
    shared | {"projection": one_of(PROJECTIONS), "upsampling": one_of(UPSAMPLINGS), "output": one_of(OUTPUTS)}
)
discriminators = st.fixed_dictionaries(
    shared
    | {
        "downsampling": one_of(DOWNSAMPLINGS),
        "minibatch": one_of(MINIBATCHES),
        "head": one_of(HEADS),
        "input_bias": st.booleans(),
    }
).filter(lambda values: values["head"] == "flatten" or values["hidden_layers"] == 0)


def build(kind: type[nn.Module], values: dict, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return kind(**values, deviation=0.1, eps=1e-5).to(memory_format=torch.channels_last)


def gradients_are_whole(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name


def same_state_same_output(kind: type[nn.Module], values: dict, network: nn.Module, given: torch.Tensor) -> None:
    """The same seed draws the same weights; a copy by state and a deep copy compute the same."""
    again, other = build(kind, values), build(kind, values, seed=1)
    fresh = build(kind, values)
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), fresh.state_dict().values(), strict=True))
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        outputs = [net.eval()(given) for net in (network, other, copy.deepcopy(network))]
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], outputs[2])


@settings(max_examples=30, deadline=None)
@given(values=generators)
def test_every_generator(values: dict) -> None:
    generator = build(Generator, values)
    latents = generator.draw_latents(COUNT, torch.Generator().manual_seed(1))
    images = generator(latents)
    assert images.shape == (COUNT, values["channels"], values["image_size"], values["image_size"])
    low, high = generator.value_range
    assert values["output"] == "linear" or (images.min() >= low and images.max() <= high)
    images.square().sum().backward()
    gradients_are_whole(generator)
    state = {name: value.clone() for name, value in generator.state_dict().items()}
    with sampling(generator, "batch"):
        generator(latents)
    assert all(torch.equal(value, state[name]) for name, value in generator.state_dict().items())
    same_state_same_output(Generator, values, generator, latents)


@settings(max_examples=30, deadline=None)
@given(values=discriminators)
def test_every_discriminator_also_under_a_gradient_penalty(values: dict) -> None:
    discriminator = build(Discriminator, values)
    shape = (COUNT, values["channels"], values["image_size"], values["image_size"])
    images = torch.rand(shape, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    logits = discriminator(images)
    assert logits.shape == (COUNT,)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    (logits.square().sum() + slope.square().sum()).backward()
    gradients_are_whole(discriminator)
    same_state_same_output(Discriminator, values, discriminator, images.detach())


@pytest.mark.parametrize("upsampling", sorted(UPSAMPLINGS))
def test_images_can_be_differentiated_twice_by_the_latents(upsampling: str) -> None:
    generator = build(Generator, {"image_size": 16, "width": 2, "upsampling": upsampling})
    latents = generator.draw_latents(COUNT, torch.Generator()).requires_grad_(True)
    (slope,) = torch.autograd.grad(generator(latents).square().sum(), latents, create_graph=True)
    slope.square().sum().backward()
    gradients_are_whole(generator)


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_bed_of_nails_and_a_convolution_are_a_fractionally_strided_convolution(kernel: int) -> None:
    nails, strided = unpooled(3, 2, kernel), transposed(3, 2, kernel)
    with torch.no_grad():
        nails[1].weight.copy_(strided.weight.transpose(0, 1).flip(2, 3))
    maps = torch.randn(2, 3, 5, 5)
    assert BedOfNails()(torch.ones(1, 1, 2, 2))[0, 0].tolist() == [[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4]
    torch.testing.assert_close(nails(maps), strided(maps), rtol=1e-4, atol=1e-5)


def norms(network: nn.Module) -> list[str]:
    return [type(module).__name__ for module in network.modules() if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm))]


def test_the_ends_are_normalised_by_all_layers_alone() -> None:
    assert norms(Generator(32, width=2).to_image) == norms(Discriminator(32, width=2).from_image) == []
    for kind, end in ((Generator, "to_image"), (Discriminator, "from_image")):
        assert norms(getattr(kind(32, width=2, normalization="all_layers"), end)) == ["BatchNorm2d"]
        assert norms(getattr(kind(32, width=2, normalization="instance"), end)) == []


@pytest.mark.parametrize(("name", "groups"), [("instance", 48), ("layer", 1), ("group", 3)])
def test_statistics_of_each_image_alone(name: str, groups: int) -> None:
    normalize, _ = LayerStyle(name).after_convolution(48)
    assert isinstance(normalize, nn.GroupNorm) and normalize.num_groups == groups
    discriminator = Discriminator(16, width=16, normalization=name)
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(discriminator(images)[:2], discriminator(images[:2]))


def test_spectral_norm_bounds_every_layer_of_the_discriminator() -> None:
    discriminator = build(Discriminator, {"image_size": 16, "width": 4, "normalization": "spectral"})
    for _ in range(30):
        discriminator(torch.randn(2, 3, 16, 16))
    layers = [m for m in discriminator.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    vectors = [name for name, _ in discriminator.named_buffers()]
    assert len(vectors) == 6 and all(name.endswith(("_u", "_v")) for name in vectors)


def test_weight_norm_starts_from_the_drawn_weights() -> None:
    plain, normed = (build(Generator, {"image_size": 16, "width": 2, "normalization": n}) for n in ("none", "weight"))
    torch.testing.assert_close(plain.to_image[0].weight, normed.to_image[0].weight)
    assert normed.to_image[0].parametrizations.weight.original0.shape == (1, 3, 1, 1)


def test_where_nothing_is_added_after_the_weights_they_bring_a_bias() -> None:
    for name, biased in {"batch": False, "none": True, "group": False, "spectral": True, "weight": True}.items():
        generator, discriminator = (kind(16, width=2, normalization=name) for kind in (Generator, Discriminator))
        assert (generator.project[0].bias is not None) == biased
        assert (discriminator.downsample[0][0].bias is not None) == biased


def test_the_initial_deviation_is_that_of_weights_and_gains() -> None:
    generator = Generator(32, width=32, deviation=0.2)
    assert generator.upsample[0][0].weight.std().item() == pytest.approx(0.2, rel=0.02)
    assert generator.project[1].weight.std().item() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("key", ["downsampling", "normalization", "activation", "head"])
def test_unknown_variants_of_the_discriminator_are_refused_with_the_choice(key: str) -> None:
    with pytest.raises(ValueError, match="'nonsense' does not exist; choose one of"):
        Discriminator(16, width=2, **{key: "nonsense"})


@pytest.mark.parametrize("head", ["global_average_pool", "convolution"])
def test_a_head_of_feature_maps_is_refused_after_hidden_layers(head: str) -> None:
    with pytest.raises(ValueError, match=f"^head={head} needs feature maps, and hidden_layers=2 leave none: type"):
        Discriminator(16, width=2, hidden_layers=2, head=head)
