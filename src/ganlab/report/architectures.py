"""The page of the architectures, ``docs/architectures.md``: layers, shapes, parameters and FLOPs of each.

python -m ganlab.report.architectures
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ganlab.configuration.entry import CONF
from ganlab.configuration.reference import opening
from ganlab.files import write_text_atomically

PAGE = CONF.parent / "docs" / "architectures.md"
PLAYERS = ("generator", "discriminator")
NO_LAYERS = (
    nn.Sequential,
    nn.Flatten,
    nn.Unflatten,
    nn.Identity,
    nn.ReflectionPad2d,
)  # they move values and compute none
HEADER = """# Architectures

Made by `python -m ganlab.report.architectures` from `conf/architecture/`; a test keeps it current.

Each pair of networks on the data of the commands at the top of its file, then the networks that no pair has. A row is
one layer of weights, in the order of computation, with what follows it: `5x5/2` is a kernel and its stride. Shapes are
channels x height x width, or features; features of a skip connection are channels of the row before which they join.
Parameters count the row's normalisation as well. FLOPs are those of one image, forward: two for each multiplication
with its addition, of the layers of weights (`torch.utils.flop_counter`).
"""


@dataclass
class Row:
    """One layer of weights and what follows it."""

    parts: list[str]
    shape: tuple[int, ...]
    parameters: int
    flops: int


@dataclass(frozen=True)
class Entry:
    """What one command chooses of the architectures, and which of the two networks to show."""

    name: str
    config: Any
    choices: dict[str, str]
    players: tuple[str, ...] = PLAYERS


def page() -> str:
    """Return the whole page."""
    summary = ["| architecture | images | generator | FLOPs | discriminator | FLOPs |", "|---|---|--:|--:|--:|--:|"]
    sections = []
    for entry in entries():
        line, section = describe(entry)
        summary.append(line)
        sections.append(section)
    return "\n".join([HEADER, *summary, "", *sections])


def entries() -> Iterator[Entry]:
    """Yield every pair of ``conf/architecture`` for each of its commands, then the networks that no pair has."""
    paired = set()
    for file in sorted(CONF.glob("architecture/*.yaml")):
        for command in opening(file)[0] or [f"architecture={file.stem}"]:
            entry = entry_of(file.stem, command)
            paired |= set(entry.choices.items())
            yield entry
    for player in PLAYERS:
        for file in sorted(CONF.glob(f"architecture/{player}/*.yaml")):
            if (f"architecture/{player}", file.stem) not in paired:
                command, *_ = (*opening(file)[0], f"architecture/{player}={file.stem}")
                yield entry_of(f"{player}={file.stem}", command, (player,))


def entry_of(name: str, command: str, players: tuple[str, ...] = PLAYERS) -> Entry:
    """Compose the architecture and the data of a command."""
    typed = dict(word.split("=", 1) for word in command.split() if re.match(r"(architecture|data)\b.*=", word))
    groups = {"+architecture": typed.pop("architecture", "dcgan"), "+data": typed.pop("data", "digits")}
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(
            overrides=[f"{key}={value}" for key, value in (groups | typed).items()], return_hydra_config=True
        )
    return Entry(name, config, config.hydra.runtime.choices, players)


def describe(entry: Entry) -> tuple[str, str]:
    """Return an entry's line of the summary, and its section."""
    data = entry.config.data
    cells, section = {}, ""
    images = f"{data.image_size}x{data.image_size}x{data.channels}"
    for player in entry.players:
        with torch.device("meta"):  # without memory for weights
            network = instantiate(entry.config.architecture[player], _convert_="all").eval()
            shape = getattr(network, "input_shape", (data.channels, data.image_size, data.image_size))
            inputs = torch.empty(1, *((network.latent_size,) if hasattr(network, "latent_size") else shape))
            classes = getattr(network, "classes", 0)
            labels = (torch.zeros(1, dtype=torch.long),) if classes else ()
        found = rows(network, (inputs, *labels))
        size, flops = f"{total(network):,}", millions(sum(row.flops for row in found))
        cells[player] = f"{size} | {flops}"
        section += f"{player.capitalize()}: {size} parameters, {flops} FLOPs.\n\n"
        section += "| layer | output | parameters | FLOPs |\n|---|---|--:|--:|\n"
        for row in found:
            shape = "x".join(map(str, row.shape))
            section += f"| {', '.join(row.parts)} | {shape} | {row.parameters:,} | {millions(row.flops)} |\n"
        section += "\n"
    images += f", {classes} classes" if classes else ""
    line = f"| {entry.name} | {images} | {' | '.join(cells.get(player, ' | ') for player in PLAYERS)} |"
    return line, f"## {entry.name}, {images}\n\n" + section.rstrip("\n") + "\n"


def rows(network: nn.Module, inputs: tuple[Tensor, ...]) -> list[Row]:
    """Return a network's rows: its leaves as they compute, each that has weights beginning a row."""
    found: list[Row] = []
    modules = [(name, module) for name, module in network.named_modules() if "parametrizations" not in name]
    leaves = {module: name for name, module in modules if is_leaf(module)}

    def note(module: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(module, NO_LAYERS):
            return
        if not found or any(parameter.dim() > 1 for parameter in module.parameters()):
            found.append(Row([], (), 0, 0))
        row = found[-1]
        row.parts.append(title(module))
        row.shape = tuple(output.shape[1:])
        row.parameters += total(module)
        row.flops += sum(counter.get_flop_counts().get(f"{type(network).__name__}.{leaves[module]}", {}).values())

    with ExitStack() as hooks, FlopCounterMode(display=False) as counter, torch.no_grad():
        for module in leaves:
            hooks.enter_context(module.register_forward_hook(note))
        network(*inputs)
    return found


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one step of the computation."""
    return all(name == "parametrizations" for name, _ in module.named_children())


def title(module: nn.Module) -> str:
    """Return a leaf's name in words: of a convolution with kernel and stride, of normalised weights with their norm."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        kind = "transposed convolution" if isinstance(module, nn.ConvTranspose2d) else "convolution"
        name = f"{kind} {module.kernel_size[0]}x{module.kernel_size[1]}/{module.stride[0]}"
    else:
        name = words(type(module).__name__.removeprefix("Parametrized"))
    norms = [words(type(norm).__name__) for norms in getattr(module, "parametrizations", {}).values() for norm in norms]
    return " with ".join([name, *norms])


def words(name: str) -> str:
    """Return a class's name in words: ``LeakyReLU`` is leaky ReLU, ``BatchNorm2d`` batch norm."""
    found = re.findall(r"[A-Z]+[a-z]*(?:[A-Z]+(?![a-z]))?", name)
    return " ".join(word.lower() if word.istitle() else word for word in found)


def total(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def millions(flops: int) -> str:
    """Return a number of operations in millions, three digits."""
    return "" if flops == 0 else f"{flops / 1e6:,.0f} M" if flops >= 1e8 else f"{flops / 1e6:.3g} M"


if __name__ == "__main__":
    write_text_atomically(PAGE, page())
    print(PAGE)
