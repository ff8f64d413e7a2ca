"""Files of the PyTorch CycleGAN and pix2pix repository (``latest_net_G.pth``): load, and write in the same layout.

A file is a plain state dict. The architecture follows from its keys and shapes: U-Net, residual generator or PatchGAN,
norm, channels, depth, and the residual generator's dropout; a U-Net gets that repository's.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ganlab import torch_files
from ganlab.errors import UserError
from ganlab.files import atomic_write
from ganlab.networks import cyclegan, pix2pix
from ganlab.networks.layers.style import BATCH_NORMS

State = Mapping[str, Tensor]
Names = list[tuple[str, str]]  # of a convolution in a file, and of the norm that follows it, or ""
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.InstanceNorm2d, nn.Identity, *BATCH_NORMS)
REPOSITORY = "the PyTorch CycleGAN and pix2pix repository"


def load(path: str | Path) -> nn.Module:
    """Return the network of a ``.pth`` file: a generator, or a PatchGAN whose channels include the condition's.

    Nothing but tensors is unpickled. Prefixes of DataParallel and torch.compile are stripped, and the statistics that
    instance norms of 2018 stored and did not use are dropped.

    Raises:
        UserError: no such file, a damaged one, or the first key that disagrees with the architecture of the others.
    """
    state = _read(Path(path))
    try:
        network = _build(state)
        return _filled(network, state)
    except (KeyError, ValueError, RuntimeError) as error:  # the last for kinds of numbers that torch cannot convert
        raise UserError(f"{path} is no network of {REPOSITORY}: {error.args[0]}") from error


def save(network: nn.Module, path: str | Path) -> None:
    """Write a network as that repository's own file.

    Raises:
        UserError: that repository has no such network.
    """
    kept = network.state_dict()
    state = {theirs: kept[ours].detach().cpu().contiguous() for ours, theirs in _keys(network).items()}
    try:
        same = _build(state)
        _filled(same, state)
    except (KeyError, ValueError) as error:
        raise UserError(f"{REPOSITORY} has no such network: {error.args[0]}") from error
    for mine, known in zip(_described(network), _described(same), strict=True):
        if mine != known:
            raise UserError(f"{REPOSITORY} has no {mine}: it has {known}")
    with atomic_write(Path(path)) as file:
        torch.save(state, file)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UserError(f"there is no file {path}: give a .pth file of {REPOSITORY}")
    held = torch_files.load(path, "weights", "fetch it again")
    if not isinstance(held, Mapping) or not held or not all(map(_is_weight, held.values())):
        raise UserError(f"{path} holds more than weights by name: give a .pth file of {REPOSITORY}")
    state: dict[str, Tensor] = {}
    for key, value in held.items():
        name = ".".join(part for part in str(key).split(".") if part not in ("module", "_orig_mod"))
        if name in state:
            raise UserError(f"{path} holds {name} twice: give a file of one network")
        state[name] = value
    old = {key.removesuffix("running_mean") for key in state if key.endswith(".running_mean")}
    old = {module for module in old if f"{module}weight" not in state}  # instance norms: they have no gain
    return {key: value for key, value in state.items() if f"{key.rpartition('.')[0]}." not in old}


def _is_weight(value: object) -> bool:
    """Whether a value is a tensor whose numbers are in the file, and not a few of them under a large shape."""
    if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_complex() or not value.is_cpu:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _build(state: State) -> nn.Module:
    """Return the network of a file, without values; a KeyError or ValueError where its first keys disagree."""
    with torch.device("meta"):
        if "model.model.0.weight" in state:
            last, depth = _shape(state, "model.model.3.weight"), 1
            while f"{_level(depth)}.1.weight" in state:
                depth += 1
            width, inputs = _shape(state, "model.model.0.weight")[:2]
            norm = _norm(state, f"{_level(1)}.1.bias")
            return pix2pix.Generator(2**depth, last[1], inputs, width, normalization=norm, dropout="pytorch")
        if "model.1.weight" in state:
            blocks = _count(state, 10, 1, ".conv_block.1.weight")
            width, inputs = _shape(state, "model.1.weight")[:2]
            channels, norm = _shape(state, f"model.{17 + blocks}.weight")[0], _norm(state, "model.1.bias")
            second = state.get("model.10.conv_block.6.weight", torch.empty(0))
            dropout = 0.5 if second.dim() == 4 else 0.0  # without dropout this is the norm's gain, or not there
            return cyclegan.Generator(256, channels, inputs, width, blocks, norm, dropout)
        first, hidden = ("net.0", "net.2") if "net.0.weight" in state else ("model.0", "model.2")
        if f"{first}.weight" not in state:
            raise ValueError(f"{next(iter(state))} is no key of a U-Net, a residual generator or a PatchGAN")
        layers = 0 if first == "net.0" else max(_count(state, 2, 3, ".weight") - 1, 1)
        width, channels = _shape(state, f"{first}.weight")[:2]
        norm = _norm(state, f"{hidden}.bias")
        return pix2pix.Discriminator(max(256, 3 * 2**layers), channels, 0, width, layers, norm)


def _shape(state: State, key: str) -> torch.Size:
    """Return the shape of a convolution's weight."""
    if key not in state:
        raise KeyError(f"{key} is missing")
    if state[key].dim() != 4:
        raise ValueError(f"{key} has shape {tuple(state[key].shape)}, a convolution's weight has four axes")
    return state[key].shape


def _count(state: State, start: int, step: int, leaf: str) -> int:
    """Return how many of the keys ``model.{start + i * step}{leaf}`` are there, without gaps."""
    found = 0
    while f"model.{start + found * step}{leaf}" in state:
        found += 1
    return found


def _norm(state: State, bias: str) -> str:
    """Return the norm of a file; ``bias`` is the key that hidden convolutions have with instance norm only."""
    if any(key.endswith(".running_mean") for key in state):
        return "batch"
    return "instance" if bias in state else "none"


def _filled(network: nn.Module, state: State) -> nn.Module:
    """Give a network the values of a file; a KeyError or ValueError names the first key that disagrees."""
    keys, made = _keys(network), network.state_dict()
    values = {}
    for ours, theirs in keys.items():
        value = state.get(theirs)
        if value is None and theirs.endswith(".num_batches_tracked"):  # not counted before 2018
            value = torch.zeros((), dtype=torch.long)
        if value is None:
            raise KeyError(f"{theirs} is missing")
        if value.shape != made[ours].shape or value.is_floating_point() != made[ours].is_floating_point():
            wanted = f"{tuple(made[ours].shape)} of {made[ours].dtype} is expected"
            raise ValueError(f"{theirs} has shape {tuple(value.shape)} of {value.dtype}, where {wanted}")
        if not value.isfinite().all():
            raise ValueError(f"{theirs} holds numbers that are not finite")
        values[ours] = value.to(torch.promote_types(value.dtype, made[ours].dtype))  # float16 becomes float32
    if extra := [key for key in state if key not in keys.values()]:
        raise ValueError(f"{extra[0]} does not belong to it")
    network.load_state_dict(values, assign=True)
    return network


def _keys(network: nn.Module) -> dict[str, str]:
    """Return the keys of a network's values, and the keys of the same values in a file, in the order of computation."""
    names = [name for pair in _names(network) for name in pair if name]
    modules = [(name, module) for name, module in network.named_modules() if isinstance(module, LAYERS)]
    if len(names) != len(modules):
        raise UserError(f"{REPOSITORY} has no network of {len(modules)} such layers, it has {len(names)}")
    pairs = zip(modules, names, strict=True)
    return {f"{ours}.{key}": f"{theirs}.{key}" for (ours, module), theirs in pairs for key in module.state_dict()}


def _names(network: nn.Module) -> Names:
    """Return what a file calls a network's convolutions and norms, in the order of computation."""
    if isinstance(network, pix2pix.Generator):
        inner = range(1, len(network.down) - 1)
        last = _level(len(network.down) - 1)
        down = [(f"{_level(level)}.1", f"{_level(level)}.2") for level in inner]
        up = [(f"{_level(level)}.5", f"{_level(level)}.6") for level in reversed(inner)]
        first = [("model.model.0", ""), *down, (f"{last}.1", "")]
        return [*first, (f"{last}.3", f"{last}.4"), *up, ("model.model.3", "")]
    if isinstance(network, cyclegan.Generator):
        blocks = len(network.blocks)
        second = 6 if any(isinstance(module, nn.Dropout) for module in network.modules()) else 5
        numbers = [(f"{10 + block}.conv_block", index) for block in range(blocks) for index in (1, second)]
        places = [*(("", index) for index in (1, 4, 7)), *numbers, ("", 10 + blocks), ("", 13 + blocks)]
        prefixed = [(f"model.{place}." if place else "model.", index) for place, index in places]
        names = [(f"{prefix}{index}", f"{prefix}{index + 1}") for prefix, index in prefixed]
        return [*names, (f"model.{17 + blocks}", "")]
    if isinstance(network, pix2pix.Discriminator):
        hidden = len([m for m in network.patches if isinstance(m, nn.Conv2d)]) - 2
        place = "net" if network.least == 1 else "model"
        names = [(f"{place}.{2 + 3 * layer}", f"{place}.{3 + 3 * layer}") for layer in range(hidden)]
        return [(f"{place}.0", ""), *names, (f"{place}.{2 + 3 * hidden}", "")]
    raise UserError(f"{REPOSITORY} has no {type(network).__module__}.{type(network).__name__}")


def _level(level: int) -> str:
    """Return what a file calls a level of a U-Net; 0 is next to the image."""
    return "model.model" if level == 0 else "model.model.1.model" + ".3.model" * (level - 1)


def _described(network: nn.Module) -> list[str]:
    """Describe a network's layers in words that decide what it computes, without dropout, which files do not hold."""
    leaves = [module for module in network.modules() if not list(module.children())]
    return [re.sub("^Sync", "", str(module)) for module in leaves if not isinstance(module, nn.Dropout)]
