"""Files of the PyTorch CycleGAN and pix2pix repository: values computed by its own code, layouts, damaged files."""

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.networks import context_encoder, cyclegan, pix2pix, published

State = dict[str, Tensor]


def layout(network: nn.Module, folder: Path) -> dict[str, tuple[int, ...]]:
    """The keys and shapes of a network's file."""
    published.save(network, folder / "layout.pth")
    return {key: tuple(value.shape) for key, value in torch.load(folder / "layout.pth").items()}


def filled(shapes: dict[str, tuple[int, ...]]) -> State:
    """Values that follow from keys and shapes alone: the repository's networks were run with the same."""
    norms = {key.removesuffix(".running_mean") for key in shapes if key.endswith("running_mean")}
    return {key: value(key, shape, norms) for key, shape in shapes.items()}


def value(key: str, shape: tuple[int, ...], norms: set[str]) -> Tensor:
    count = math.prod(shape)
    s = torch.sin(12.9898 * torch.arange(count, dtype=torch.float64) + zlib.crc32(key.encode()) % 1000).reshape(shape)
    module, _, leaf = key.rpartition(".")
    if leaf == "num_batches_tracked":
        return torch.tensor(0)
    if leaf == "running_var":
        return 1 + 0.5 * s
    if leaf == "weight" and module in norms:
        return 1 + 0.1 * s
    return s * 1.5 / math.sqrt(count / shape[0]) if len(shape) >= 2 else 0.1 * s


# Shape of the input, mean of the output, and its values at some places.
GOLDEN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], float, dict[int, float]]] = {
    "unet_128": (
        lambda: pix2pix.Generator(128, width=8), (2, 3, 128, 128), -0.0906353489,
        {0: 0.2841967873, 14043: 0.2486714143, 32768: 0.2761411831, 49152: -0.6193916823, 98303: 0.1688042151},
    ),
    "resnet_6": (
        lambda: cyclegan.Generator(width=8, blocks=6), (1, 3, 40, 52), -0.0392595911,
        {0: -0.7598912156, 891: -0.6346112177, 2080: 0.7836879844, 3120: 0.0723123461, 6239: -0.5026882858},
    ),
    "patches_0": (
        lambda: pix2pix.Discriminator(layers=0), (1, 6, 64, 64), -0.1049807661,
        {0: -0.0907191514, 585: -0.1132116745, 1365: -0.1152020667, 2048: -0.1146347283, 4095: -0.0975064185},
    ),
    "patches_0_instance": (
        lambda: pix2pix.Discriminator(condition_channels=0, layers=0, normalization="instance"), (1, 3, 64, 64),
        0.1566210026, {0: 0.070163572, 585: 0.3056181011, 1365: 0.3742111037, 2048: 0.1474854215, 4095: 0.06871837},
    ),
    "patches_1": (
        lambda: pix2pix.Discriminator(layers=1), (1, 6, 64, 64), 0.0638449426,
        {0: 0.0073642654, 128: 0.0145776745, 300: -0.0079142593, 450: 0.0644020284, 899: 0.2020169347},
    ),
    "patches_2": (
        lambda: pix2pix.Discriminator(layers=2), (1, 6, 64, 64), -0.0991444431,
        {0: -0.018907763, 28: -0.0177669815, 65: -0.1119016628, 98: -0.127171013, 195: -0.1654630599},
    ),
    "patches_3": (
        lambda: pix2pix.Discriminator(), (1, 6, 64, 64), 0.0159791115,
        {0: 0.0460852732, 5: 0.0384121429, 12: 0.012602725, 18: 0.0111224962, 35: 0.0015394645},
    ),
    "patches_3_instance": (
        lambda: pix2pix.Discriminator(condition_channels=0, normalization="instance"), (1, 3, 64, 64), -0.0091325902,
        {0: -0.0292998617, 5: 0.1579939551, 12: 0.0048613772, 18: 0.0772084198, 35: -0.1440725741},
    ),
}  # fmt: skip
FULL: dict[str, Any] = {
    "unet_256_full": (
        lambda: pix2pix.Generator(), (1, 3, 256, 256), -0.0119446759,
        {0: 0.208835685, 28086: -0.4847229883, 65536: -0.9289294901, 98304: 0.3260634208, 196607: 0.9989224077},
    ),
    "unet_128_full": (
        lambda: pix2pix.Generator(128), (1, 3, 128, 128), -0.0187626766,
        {0: 0.998330547, 7021: -0.624118796, 16384: 0.9973033242, 24576: -0.809528972, 49151: 0.0759150865},
    ),
    "resnet_9_full": (
        lambda: cyclegan.Generator(), (1, 3, 64, 64), -0.021110407,
        {0: 0.1051347885, 1755: 0.0684147078, 4096: -0.5915949097, 6144: -0.1231677758, 12287: -0.0508285333},
    ),
    "resnet_6_full": (
        lambda: cyclegan.Generator(blocks=6), (1, 3, 64, 64), -0.0638230345,
        {0: 0.7791555838, 1755: -0.1224306271, 4096: -0.5173820209, 6144: -0.1017926992, 12287: 0.0147579153},
    ),
    "patches_5_full": (
        lambda: pix2pix.Discriminator(layers=5), (1, 6, 256, 256), -0.1040939207,
        {0: -0.1158884885, 5: -0.1438485134, 12: -0.0731338331, 18: -0.0764425416, 35: -0.1418785243},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*GOLDEN, *(pytest.param(name, marks=pytest.mark.soak) for name in FULL)])
def test_a_file_computes_what_the_repository_computes_and_is_written_as_it_was(name: str, tmp_path: Path) -> None:
    make, shape, mean, places = (GOLDEN | FULL)[name]
    state = filled(layout(make(), tmp_path))
    torch.save(state, tmp_path / "latest_net.pth")
    network = pix2pix.load(tmp_path / "latest_net.pth").eval()
    pictures = torch.sin(0.37 * torch.arange(math.prod(shape), dtype=torch.float64)).reshape(shape)
    with torch.no_grad():
        output = network(pictures)
    assert output.mean().item() == pytest.approx(mean, abs=1e-8)
    assert {at: output.flatten()[at].item() for at in places} == pytest.approx(places, abs=1e-8)
    published.save(network, tmp_path / "again.pth")
    again = torch.load(tmp_path / "again.pth")
    assert list(again) == list(state) and all(torch.equal(again[key], state[key]) for key in state)


SMALL: dict[str, Callable[[], nn.Module]] = {
    **{
        f"unet_{norm}": lambda norm=norm: pix2pix.Generator(32, 2, 1, 2, normalization=norm, dropout="pytorch")
        for norm in ("batch", "instance", "none")
    },
    "unet_4": lambda: pix2pix.Generator(4, 1, 1, 2, normalization="instance", dropout="pytorch"),
    **{
        f"resnet_{norm}": lambda norm=norm: cyclegan.Generator(256, 1, 2, 2, 3, norm)
        for norm in ("batch", "instance", "none")
    },
    **{
        f"resnet_dropout_{norm}": lambda norm=norm: cyclegan.Generator(256, 1, 2, 2, 1, norm, 0.5)
        for norm in ("batch", "instance", "none")
    },
    "resnet_without_blocks": lambda: cyclegan.Generator(256, 1, 2, 2, 0, "batch"),
    **{
        f"patches_{layers}_{norm}": lambda layers=layers, norm=norm: pix2pix.Discriminator(256, 5, 0, 2, layers, norm)
        for layers in (0, 1, 4)
        for norm in ("batch", "instance", "none")
    },
}


@pytest.mark.parametrize("name", SMALL)
def test_the_architecture_is_found_in_the_file(name: str, tmp_path: Path) -> None:
    network = SMALL[name]()
    published.save(network, tmp_path / "net.pth")
    loaded: Any = published.load(tmp_path / "net.pth")
    assert str(loaded) == str(network) and loaded.input_shape[0] == network.input_shape[0]  # dropout, norm, eps, ...
    state = network.state_dict()
    assert all(torch.equal(held, state[key]) for key, held in loaded.state_dict().items())
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_the_keys_are_the_repositorys(tmp_path: Path) -> None:
    inner = "model.model.1.model.3.model.3.model"
    keys = layout(pix2pix.Generator(16, 1, 3, 2), tmp_path)
    assert list(keys)[0] == "model.model.0.weight" and list(keys)[-2:] == ["model.model.3.weight", "model.model.3.bias"]
    assert keys[f"{inner}.3.weight"] == (16, 8, 4, 4) and keys[f"{inner}.4.running_var"] == (8,)
    assert keys["model.model.1.model.5.weight"] == (8, 2, 4, 4) and "model.model.1.model.1.bias" not in keys
    keys = layout(cyclegan.Generator(64, 1, 1, 2, 2, "batch", 0.5), tmp_path)
    assert {f"model.11.conv_block.{index}.weight" for index in (1, 2, 6, 7)} <= keys.keys()
    assert [keys[f"model.{index}.weight"][0] for index in (1, 4, 7, 12, 15, 19)] == [2, 4, 8, 8, 4, 1]


@pytest.fixture
def state(tmp_path: Path) -> State:
    """The values of a residual generator with instance norm."""
    published.save(cyclegan.Generator(64, 1, 1, 2, 2), tmp_path / "state.pth")
    return torch.load(tmp_path / "state.pth")


def test_prefixes_and_unused_statistics_of_older_files_are_dropped(state: State, tmp_path: Path) -> None:
    old = {f"module._orig_mod.{key}": held for key, held in state.items()}
    for module in ("model.2", "model.5", "model.10.conv_block.2", "model.10.conv_block.6"):
        old |= {f"module._orig_mod.{module}.running_{kind}": torch.zeros(8) for kind in ("mean", "var")}
        old[f"module._orig_mod.{module}.num_batches_tracked"] = torch.tensor(3)
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    loaded = pix2pix.load(tmp_path / "old.pth")
    published.save(loaded, tmp_path / "new.pth")
    new = torch.load(tmp_path / "new.pth")
    assert new.keys() == state.keys() and all(torch.equal(new[key], state[key]) for key in state)


def test_half_precision_and_uncounted_batches_are_loaded(tmp_path: Path) -> None:
    published.save(pix2pix.Generator(8, 1, 1, 2), tmp_path / "net.pth")
    held = torch.load(tmp_path / "net.pth")
    torch.save({key: each.half() for key, each in held.items() if "tracked" not in key}, tmp_path / "half.pth")
    loaded = pix2pix.load(tmp_path / "half.pth")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert loaded(torch.randn(1, 1, 8, 8)).shape == (1, 1, 8, 8)


WEIGHT, BLOCK = "model.7.weight", "model.11.conv_block.5.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({WEIGHT: None}, "model.7.weight is missing"),
        ({WEIGHT: torch.zeros(8, 4, 5, 5)}, r"model.7.weight has shape \(8, 4, 5, 5\) .* \(8, 4, 3, 3\)"),
        ({WEIGHT: torch.zeros(8, 4, 3, 3).int()}, "model.7.weight has shape .* of torch.int32, where"),
        ({WEIGHT: torch.zeros(8, 4, 3, 3).to(torch.float8_e5m2)}, "[Pp]romot"),
        ({"model.1.weight": torch.zeros(2)}, r"model.1.weight has shape \(2,\), a convolution's weight has four axes"),
        ({"model.1.weight": torch.zeros(0, 1, 7, 7)}, "width=0 must be a whole number of at least 1"),
        ({BLOCK: None}, "model.11.conv_block.5.weight is missing"),
        ({"model.11.conv_block.1.weight": None}, "model.18.weight is missing"),
        ({"model.99999999.weight": torch.zeros(1)}, "model.99999999.weight does not belong to it"),
        ({"module.model.7.weight": torch.zeros(1)}, "holds model.7.weight twice"),
        ({"epoch": 3}, "holds more than weights by name"),
        ({WEIGHT: torch.zeros(8, 4, 3, 3).to_sparse()}, "holds more than weights by name"),
        ({WEIGHT: torch.zeros(1).expand(8, 4, 3, 3)}, "holds more than weights by name"),
        ({WEIGHT: torch.empty(8, 4, 3, 3, device="meta")}, "holds more than weights by name"),
        ({WEIGHT: torch.full((8, 4, 3, 3), torch.inf)}, "model.7.weight holds numbers that are not finite"),
    ],
)
def test_the_first_key_that_disagrees_is_named(
    state: State, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    torch.save({key: held for key, held in (state | change).items() if held is not None}, tmp_path / "net.pth")
    with pytest.raises(UserError, match=message) as refused:
        pix2pix.load(tmp_path / "net.pth")
    assert "\n" not in str(refused.value) and str(tmp_path / "net.pth") in str(refused.value)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({}, "holds more than weights"),
        ([torch.zeros(1)], "holds more than weights"),
        ({"conv.weight": torch.zeros(1)}, "conv.weight is no key of a U-Net, a residual generator or a PatchGAN"),
        ({"model.model.0.weight": torch.zeros(2, 1, 4, 4)}, "model.model.3.weight is missing"),
        ({"model.0.weight": torch.zeros(2, 1, 4, 4)}, "model.0.bias is missing"),
        ({"net.0.weight": torch.zeros(2, 1, 1, 1)}, "net.0.bias is missing"),
        (nn.Conv2d(1, 1, 1), "cannot be read as weights"),
    ],
)
def test_other_files_are_refused(held: Any, message: str, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "net.pth")
    with pytest.raises(UserError, match=message):
        pix2pix.load(tmp_path / "net.pth")


def test_damaged_and_missing_files_are_one_line(state: State, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    with pytest.raises(UserError, match="there is no file"):
        pix2pix.load(path)
    torch.save(state, path)
    whole = path.read_bytes()
    torch.save(state, path, _use_new_zipfile_serialization=False)
    legacy = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(state[WEIGHT].numpy().tobytes())] ^= 1  # which the file's checksum shows
    for content in (b"", b"picture", whole[: len(whole) // 2], legacy[: len(legacy) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as weights") as refused:
            pix2pix.load(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pix2pix.Generator(16, width=1, skips=False), "model.3.model.5.weight has shape"),
        (lambda: pix2pix.Generator(16, width=1, upsampling="nearest"), "has no such network"),
        (lambda: cyclegan.Generator(16, width=1, upsampling="bilinear"), "model.19.weight has shape"),
        (lambda: cyclegan.Generator(16, width=1, output="sigmoid"), r"has no Sigmoid\(\): it has Tanh\(\)"),
        (lambda: pix2pix.Discriminator(32, width=1, eps=1e-3), r"has no BatchNorm2d\(2, eps=0.001"),
        (lambda: context_encoder.Discriminator(32, width=1), "has no ganlab.networks.context_encoder.Discriminator"),
    ],
)
def test_what_the_repository_lacks_is_not_written(make: Callable[[], nn.Module], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        published.save(make(), tmp_path / "net.pth")
    assert not list(tmp_path.iterdir())
