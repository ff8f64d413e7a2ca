from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.networks import cyclegan, pix2pix, published
from ganlab.networks.statistics import sampling
from ganlab.systems.request import Request
from ganlab.systems.translator import Translator, observe


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small files of the repository's layout."""
    torch.manual_seed(0)
    networks = {
        "resnet": cyclegan.Generator(width=2, blocks=1, deviation=0.5),
        "dropping": cyclegan.Generator(width=2, blocks=1, dropout=0.5, normalization="batch", deviation=0.5),
        "unet": pix2pix.Generator(16, 1, 3, width=2, deviation=0.5),
        "patches": pix2pix.Discriminator(width=2),
        "lab": pix2pix.Generator(16, 2, 1, width=2),
    }
    folder = tmp_path_factory.mktemp("weights")
    for name, network in networks.items():
        published.save(network, folder / f"{name}.pth")
    return {name: folder / f"{name}.pth" for name in networks}


def picture(*size: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("name", ["resnet", "unet"])
@pytest.mark.parametrize("size", [(1, 1), (7, 50), (33, 16)])
def test_pictures_keep_their_size(files: dict[str, Path], name: str, size: tuple[int, int]) -> None:
    for tile in (None, 16):
        made = Translator.of_weights(files[name], tile=tile)(picture(*size))
        assert made.shape == (1, 3 if name == "resnet" else 1, *size) and made.abs().max() <= 1


def test_a_fitting_picture_is_what_the_network_makes_of_it(files: dict[str, Path]) -> None:
    network, given = published.load(files["resnet"]), picture(20, 12)
    with torch.no_grad():
        assert torch.equal(Translator.of_weights(files["resnet"])(given), network(given))
        assert torch.equal(Translator.of_weights(files["resnet"], tile=32)(given), network(given))


def test_dropout_follows_from_seed_and_index_and_leaves_the_global_generator(files: dict[str, Path]) -> None:
    given = picture(8, 8)
    translator = Translator.of_weights(files["dropping"], seed=3)
    before = torch.get_rng_state()
    first = translator(given, 5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, Translator.of_weights(files["dropping"], seed=3)(given, 5))
    assert not torch.equal(first, translator(given, 6))
    assert not torch.equal(first, Translator.of_weights(files["dropping"], seed=4)(given, 5))


def test_statistics_and_dropout_by_choice(files: dict[str, Path]) -> None:
    network, given = published.load(files["dropping"]), picture(8, 8)
    for statistics in ("batch", "running"):
        with sampling(network, statistics):
            expected = network(given)
        made = Translator.of_weights(files["dropping"], statistics=statistics, dropout=False)(given)
        assert torch.equal(made, expected)


def test_a_discriminator_and_other_channels_are_refused(files: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="holds a discriminator"):
        Translator.of_weights(files["patches"])
    with pytest.raises(UserError, match="makes pictures of 2 channels"):
        Translator.of_weights(files["lab"])


@pytest.mark.parametrize(("tile", "fix"), [(24, "tile=16 or tile=32"), (4, "tile=16")])
def test_a_tile_that_does_not_fit_is_refused_with_those_that_do(files: dict[str, Path], tile: int, fix: str) -> None:
    with pytest.raises(UserError, match=f"type {fix}$"):
        Translator.of_weights(files["unet"], tile=tile)


def test_memory_grows_with_the_padded_picture_and_stays_with_tiles(files: dict[str, Path]) -> None:
    translator = Translator.of_weights(files["unet"])
    # at the outermost up-sampling: 4 channels at half the side, 1 at the full; at the first: 3, then 2 at half
    assert translator.bytes_per_pixel == 2 * 4 * (3 + 2 / 4)
    assert translator.memory(17, 30) == (28 * 32 * 32, 48 * 32 * 32)
    assert translator.memory(1000, 1000, tile=32) == (28 * 32 * 32, 48 * 1000 * 1000)
    network = published.load(files["unet"])
    assert {made.device.type for _, made in observe(network)} == {"meta"} and not network.down[0][0]._forward_hooks


class Darker(nn.Module):
    """A network of fixed size."""

    input_shape, value_range = (1, 8, 8), (-1.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs)


class Family:
    """What a translator asks of a system."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.asked = network, list[Request]()

    def tasks(self) -> tuple[str, ...]:
        return ("a_to_b", "b_to_a")

    def translator(self, task: str) -> Any:
        return self.network

    def decode(self, request: Request, seed: int, task: str) -> Tensor:
        self.asked.append(request)
        assert request.inputs is not None
        return request.inputs * (0.5 if task == "a_to_b" else -0.5) + seed


def test_a_system_is_asked_for_its_task_with_switches_and_index() -> None:
    family = Family(Darker())
    translator = Translator.of_system(family, "b_to_a", statistics="running", dropout=False, seed=0)
    given = picture(8, 8, channels=1)
    assert torch.equal(translator(given, 9), -0.5 * given)
    request = family.asked[0]
    assert (request.indices.tolist(), request.statistics, request.dropout) == ([9], "running", False)
    assert translator.fixed and translator.describe() == "grey to grey, 8x8"
    for task, message in (("", "task is missing: type task=a_to_b or task=b_to_a"), ("c", "task=c is unknown")):
        with pytest.raises(UserError, match=message):
            Translator.of_system(family, task)
    with pytest.raises(UserError, match=r"sample\.py"):
        Translator.of_system(nn.Identity())
    with pytest.raises(UserError, match="takes pictures of 8x8 alone"):
        Translator.of_system(family, "a_to_b", tile=8)
