import pytest
import torch
from torch import nn

from ganlab.networks.dcgan import Discriminator, Generator
from ganlab.networks.layers.blocks import channel_schedule
from ganlab.networks.statistics import sampling

TUTORIAL = {"width": 64, "kernel": 4, "eps": 1e-5}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_tutorial_preset_has_the_tutorials_parameters() -> None:
    assert count(Generator(64, 3, **TUTORIAL, projection="convolution", prior="normal")) == 3_576_704
    assert count(Discriminator(64, 3, **TUTORIAL, head="convolution")) == 2_765_568


def test_the_authors_preset_has_the_authors_shapes() -> None:
    shapes = [tuple(p.shape) for p in Generator(64, 3, 128).parameters() if p.dim() > 1]
    assert shapes == [(16384, 100), (1024, 512, 5, 5), (512, 256, 5, 5), (256, 128, 5, 5), (128, 3, 5, 5)]
    shapes = [tuple(p.shape) for p in Discriminator(64, 3, 128).parameters() if p.dim() > 1]
    assert shapes == [(128, 3, 5, 5), (256, 128, 5, 5), (512, 256, 5, 5), (1024, 512, 5, 5), (1, 16384)]
    assert not [name for name, module in Generator().named_modules() if getattr(module, "bias", None) is not None
                and not isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]  # fmt: skip


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 40, 48, 64, 96, 128])
def test_every_size_is_generated_and_discriminated(size: int, kernel: int) -> None:
    generator = Generator(size, 2, 4, latent_size=7, kernel=kernel)
    images = generator(generator.draw_latents(3, torch.Generator()))
    assert images.shape == (3, 2, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(size, 2, 4, kernel=kernel)(images).shape == (3,)


@pytest.mark.parametrize(("size", "nearest"), [(30, [28, 32]), (100, [96, 112]), (8, [16]), (72, [64, 80])])
def test_other_sizes_are_refused_with_the_nearest_ones(size: int, nearest: list[int]) -> None:
    with pytest.raises(ValueError, match=f"image size {size} cannot be made") as refused:
        channel_schedule(size, 8)
    assert str(refused.value).endswith(f"nearest sizes: {', '.join(map(str, nearest))}")


@pytest.mark.parametrize("key", ["prior", "projection", "upsampling", "output", "sampling_statistics"])
def test_unknown_variants_are_refused_with_the_choice(key: str) -> None:
    with pytest.raises(ValueError, match="'nonsense' does not exist; choose one of"):
        Generator(**{key: "nonsense"})


def test_weights_and_gains_are_drawn_as_in_the_paper() -> None:
    torch.manual_seed(0)
    generator = Generator(64, 3, 64)
    convolution = generator.upsample[0][0].weight
    assert convolution.std().item() == pytest.approx(0.02, rel=0.01)
    norm = generator.project[1]
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.001)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert norm.bias.abs().max() == 0


def test_priors() -> None:
    uniform = Generator(16, 1, 4).draw_latents(20_000, torch.Generator().manual_seed(0))
    assert uniform.abs().max() <= 1
    assert uniform.std().item() == pytest.approx(3**-0.5, rel=0.01)
    normal = Generator(16, 1, 4, prior="normal").draw_latents(20_000, torch.Generator().manual_seed(0))
    assert normal.std().item() == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_sampling_leaves_no_trace(statistics: str) -> None:
    generator = Generator(16, 1, 4).train()
    generator(torch.randn(8, 100))  # running averages that differ from their start
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    with sampling(generator, statistics):
        images = generator(torch.randn(8, 100))
    assert not images.requires_grad
    assert generator.training and all(module.training for module in generator.modules())
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())


def test_sampling_statistics_differ_as_they_should() -> None:
    generator = Generator(16, 1, 4)
    latents = torch.randn(8, 100)
    with sampling(generator, "batch"):
        alone, together = generator(latents[:4]), generator(latents)[:4]
    assert not torch.allclose(alone, together)  # a sample depends on its batch mates
    with sampling(generator, "running"):
        assert torch.allclose(generator(latents[:4]), generator(latents)[:4], atol=1e-6)
