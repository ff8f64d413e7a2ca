"""The table of the architectures, ``docs/architectures.md``: layers, shapes, parameters and operations of each.

python -m ganlab.report.architectures
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ganlab.files import write_text_atomically

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "architectures.md"
# (architecture, image size, channels): each where its paper has it; ten classes where it takes labels.
NATURAL = (
    ("dcgan", 64, 3),
    ("dcgan_small", 32, 1),
    ("dcgan_tutorial", 64, 3),
    ("dcgan_imagenet32", 32, 3),
    ("dcgan_svhn", 32, 3),
    ("dcgan_conditional", 28, 1),
    ("mlp", 28, 1),
    ("mlp_cifar10", 32, 3),
    ("mlp_conditional", 28, 1),
    ("sndcgan", 32, 3),
    ("resnet", 32, 3),
    ("resnet", 48, 3),
    ("resnet", 64, 3),
    ("resnet", 128, 3),
    ("resnet_conditional", 32, 3),
)
CLASSES = 10
WEIGHTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)
SILENT = (nn.Sequential, nn.Flatten, nn.Unflatten, nn.Identity)  # they move values and compute none
HEADER = """# Architectures

Made by `python -m ganlab.report.architectures` from `conf/architecture/`; a test keeps it current.

Each network at the size of its paper. A row is one layer of weights, in the order of computation, with what follows it:
`5x5/2` is a kernel and its stride. Shapes are maps x height x width, or units. Parameters count the row's normalisation
as well. FLOPs are those of one image, forward: two for each multiplication with its addition, of the layers of weights
(`torch.utils.flop_counter`).
"""


@dataclass
class Row:
    """One layer of weights and what follows it."""

    parts: list[str]
    shape: tuple[int, ...]
    parameters: int
    flops: int


def page() -> str:
    """Return the whole page."""
    summary = ["| architecture | images | generator | FLOPs | discriminator | FLOPs |", "|---|---|--:|--:|--:|--:|"]
    sections = []
    for natural in NATURAL:
        line, section = describe(*natural)
        summary.append(line)
        sections.append(section)
    return "\n".join([HEADER, *summary, "", *sections])


def describe(name: str, image_size: int, channels: int) -> tuple[str, str]:
    """Return an architecture's line of the summary, and its section."""
    players = networks(name, image_size, channels)
    generator = players["generator"][0]
    images = f"{image_size}x{image_size}x{channels}" + (f", {CLASSES} classes" if generator.classes else "")
    line, section = f"| {name} | {images} |", f"## {name}, {images}\n\n"
    for player, (network, remark) in players.items():
        inputs = torch.empty(1, channels, image_size, image_size, device="meta")
        if network is generator:
            inputs = torch.empty(1, generator.latent_size, device="meta")
        labels = (torch.zeros(1, dtype=torch.long, device="meta"),) if generator.classes else ()
        found = rows(network, (inputs, *labels))
        size, flops = f"{total(network):,}", millions(sum(row.flops for row in found))
        line += f" {size} | {flops} |"
        section += f"{player.capitalize()}: {size} parameters, {flops} FLOPs{remark}.\n\n"
        section += "| layer | output | parameters | FLOPs |\n|---|---|--:|--:|\n"
        for row in found:
            shape = "x".join(map(str, row.shape))
            section += f"| {', '.join(row.parts)} | {shape} | {row.parameters:,} | {millions(row.flops)} |\n"
        section += "\n"
    return line, section.rstrip("\n") + "\n"


def networks(name: str, image_size: int, channels: int) -> dict[str, tuple[Any, str]]:
    """Return the players of ``conf/architecture/<name>.yaml``, without memory for weights, each with a remark."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        chosen = compose(f"architecture/{name}")
    data = {"image_size": image_size, "channels": channels, "num_classes": CLASSES}
    config: Any = OmegaConf.merge({"data": data}, chosen)
    players = {}
    for player in ("generator", "discriminator"):
        node, remark = config.architecture[player], ""
        if node.get("normalization") == "spectral":  # adds no parameter, and its power iteration is slow to make here
            node.normalization, remark = "none", "; spectral norm on every layer"
        with torch.device("meta"):
            players[player] = instantiate(node, _convert_="all").eval(), remark
    return players


def rows(network: nn.Module, inputs: tuple[Tensor, ...]) -> list[Row]:
    """Return a network's rows: its leaves as they compute, each that has weights beginning a row."""
    found: list[Row] = []
    leaves = {module: name for name, module in network.named_modules() if is_leaf(module)}

    def note(module: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(module, SILENT):
            return
        if isinstance(module, WEIGHTS) or not found:
            found.append(Row([], (), 0, 0))
        row = found[-1]
        row.parts.append(title(module))
        row.shape = tuple(output.shape[1:])
        row.parameters += total(module)
        row.flops += sum(counter.get_flop_counts().get(f"{type(network).__name__}.{leaves[module]}", {}).values())

    hooks = [module.register_forward_hook(note) for module in leaves]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return found


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one step of the computation."""
    return not any(module.children())


def title(module: nn.Module) -> str:
    """Return a leaf's name in the field's words."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        kind = "transposed convolution" if isinstance(module, nn.ConvTranspose2d) else "convolution"
        return f"{kind} {module.kernel_size[0]}x{module.kernel_size[1]}/{module.stride[0]}"
    words = {
        "Linear": "linear",
        "Embedding": "embedding",
        "BatchNorm1d": "batch norm",
        "BatchNorm2d": "batch norm",
        "LeakyReLU": "leaky ReLU",
        "Tanh": "tanh",
        "Sigmoid": "sigmoid",
        "Maxout": "maxout",
        "Dropout": "dropout",
        "AvgPool2d": "average pooling",
        "Upsample": "nearest",
    }
    return words.get(type(module).__name__, type(module).__name__)


def total(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def millions(flops: int) -> str:
    """Return a number of operations in millions, three digits."""
    return "" if flops == 0 else f"{flops / 1e6:,.0f} M" if flops >= 1e8 else f"{flops / 1e6:.3g} M"


if __name__ == "__main__":
    write_text_atomically(PAGE, page())
    print(PAGE)
