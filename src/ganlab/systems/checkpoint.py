"""Checkpoint files: written atomically, and read without unpickling code."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor
from torch.optim import Optimizer

from ganlab import torch_files
from ganlab.errors import UserError, causes_of
from ganlab.files import atomic_write

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
FORMAT = 2  # raised where older checkpoints can no longer be loaded
# What every checkpoint holds: ours, and what Lightning expects when a run continues.
KINDS: dict[str, type] = {"config": dict, "state_dict": dict, "callbacks": dict, "images_seen": int, "epoch": int}
KINDS |= {"optimizer_states": list, "lr_schedulers": list, "global_step": int, "pytorch-lightning_version": str}


class WholeCheckpointIO(CheckpointIO):
    """Writes a checkpoint under a temporary name, flushes it to the disk and renames it; keeps the last but one.

    Lightning's own writer passes through the system's temporary folder: across file systems its rename is a copy, and
    a kill leaves a torn file under the final name. With ``submit``, which runs a job in another thread, training waits
    only for a copy of the state, which a GPU makes asynchronously.
    """

    def __init__(self, submit: Callable[[Callable[[], None]], None] | None = None) -> None:
        self.submit = submit

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint``, as it is now, to ``path``; what stood at ``last.ckpt`` becomes ``previous.ckpt``."""
        if self.submit is None:
            return self.write(checkpoint, Path(path))
        state, copied = snapshot(checkpoint), None
        if torch.cuda.is_initialized():
            copied = torch.cuda.Event()
            copied.record()
        self.submit(partial(self.write, state, Path(path), copied))

    def write(self, checkpoint: dict[str, Any], path: Path, copied: torch.cuda.Event | None = None) -> None:
        """Write a checkpoint, once the copies of its tensors have arrived."""
        if copied is not None:
            copied.synchronize()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_write(path, backup=path.with_name(PREVIOUS) if path.name == LAST else None) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch hides what the system said
            reason = next((each.strerror for each in causes_of(error) if isinstance(each, OSError)), error)
            raise UserError(
                f"{path} could not be written ({reason}): make room, then give the same command with run=NAME "
                f"of this run to continue from the checkpoint before"
            ) from error

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read(path)

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def snapshot(values: Any) -> Any:
    """Copy all tensors of nested containers to the CPU; those from a GPU arrive asynchronously."""
    if isinstance(values, torch.Tensor):
        if not values.is_cuda:
            return values.detach().to("cpu", copy=True)
        held = torch.empty_like(values, device="cpu", pin_memory=True)
        return held.copy_(values.detach(), non_blocking=True)
    if isinstance(values, dict):
        same = copy(values)  # of the same kind, with what a state dict notes about versions
        same.update((key, snapshot(value)) for key, value in values.items())
        return same
    if isinstance(values, (list, tuple)):
        return type(values)(map(snapshot, values))
    return values


def non_finite(checkpoint: dict[str, Any]) -> list[str]:
    """Name the tensors of a checkpoint's networks and optimisers that hold infinite numbers or NaN."""
    named = tensors_of({key: checkpoint[key] for key in ("state_dict", "optimizer_states")})
    flags: dict[torch.device, dict[str, Tensor]] = {}
    for name, value in named:
        if value.is_floating_point():
            flags.setdefault(value.device, {})[name] = value.isfinite().all()
    found: list[str] = []
    for sound in flags.values():  # one wait for each device
        found += [name for name, each in zip(sound, torch.stack([*sound.values()]).tolist(), strict=True) if not each]
    return found


def tensors_of(values: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested containers with their dotted names."""
    if isinstance(values, Tensor):
        yield name, values
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield from tensors_of(value, f"{name}.{key}".removeprefix(".").removeprefix("state_dict."))


def read(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of this version of the project onto the CPU, tensors and plain containers only."""
    if "://" in str(path):
        raise UserError(f"checkpoint={path} is an address: download the file and give its path")
    path = Path(path)
    if not path.is_file():
        for other in (
            *(path / sub / name for sub in ("checkpoints", "") for name in (BEST, LAST)),
            path.with_name(LAST),
        ):
            if other.is_file():  # of a run's folder; without metrics there is no best one
                raise UserError(f"there is no checkpoint {path}: type {shlex.quote(f'checkpoint={other}')}")
        raise UserError(f"there is no checkpoint {path}: give the path of a .ckpt file in a run's checkpoints folder")
    checkpoint = torch_files.load(path, "a checkpoint", "give another, or train again")
    if not isinstance(checkpoint, dict) or "config" not in checkpoint or "state_dict" not in checkpoint:
        raise UserError(f"{path} is not a checkpoint of ganlab: it holds no configuration")
    if checkpoint.get("format") != FORMAT:
        raise UserError(f"{path} was written by another version of ganlab: load it with that version, or train again")
    wrong = [name for name, kind in KINDS.items() if not isinstance(checkpoint.get(name), kind)]
    if wrong or checkpoint["images_seen"] < 0:
        raise UserError(f"{path} is not a sound checkpoint: its {(wrong or ['images_seen'])[0]} is missing or wrong")
    return checkpoint


class Checkpoint(NamedTuple):
    """A checkpoint that was read: its file and its content."""

    path: Path
    state: dict[str, Any]


def newest_whole(folder: Path) -> Checkpoint | None:
    """Return the newest readable checkpoint of a folder; None where there is none, a `UserError` if all are damaged.

    The best one only counts where it is the only one: its run is not to start again from scratch, over it.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder} is no folder, or a link to one that is not there: put it back, or type another run=")
    damaged = None
    newest = [path for path in (folder / LAST, folder / PREVIOUS) if os.path.lexists(path)]
    for path in newest or [folder / BEST]:
        if os.path.lexists(path):
            try:
                return Checkpoint(path, read(path))
            except UserError as error:
                print(f"warning: {error}; trying the checkpoint before", file=sys.stderr)
                damaged = path
    if damaged:
        raise UserError(f"no checkpoint in {folder} can be read: start a new run, from {folder / BEST} if that one can")
    return None


def apply_configuration(optimizer: Optimizer) -> None:
    """Let an optimiser's own hyper-parameters, device and memory format prevail over those that were loaded."""
    for group in optimizer.param_groups:
        group.update(optimizer.defaults)
        for parameter in group["params"]:  # a fused kernel counts its steps on the device, others on the CPU
            state = optimizer.state.get(parameter, {})
            if isinstance(step := state.get("step"), Tensor):
                state["step"] = step.to(parameter.device if group.get("fused") else "cpu")
            for name, value in state.items():  # a fused kernel expects the moments in the layout of their weights
                moment = isinstance(value, Tensor) and value.shape == parameter.shape
                if moment and value.stride() != parameter.stride():
                    state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
