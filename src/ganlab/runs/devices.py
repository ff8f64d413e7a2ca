"""The devices of ``trainer`` and the processes on them, checked before anything is read or written."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.fabric.plugins.environments import LightningEnvironment

from ganlab.arguments import shown
from ganlab.errors import UserError
from ganlab.runs.machine import AUTO, Machine
from ganlab.runs.ranks import World, find_world, meeting_point

ACCELERATORS = (AUTO, "cpu", "gpu", "cuda", "mps")


class Processes(LightningEnvironment):
    """The processes of a run, as ``trainer`` asks for them: Lightning starts none, nor asks SLURM for them."""

    creates_processes_externally = True  # type: ignore[assignment]

    def __init__(self, trainer: Mapping[str, Any]) -> None:
        super().__init__()
        self.world: World = find_world(count_of(choose_devices(trainer)), trainer["num_nodes"])
        self.meeting_point = meeting_point()
        self.broadcast: Callable[[Any], Any] = lambda value: value  # from the first, once it has met the others

    @property
    def main_address(self) -> str:
        return self.meeting_point[0] if self.meeting_point else super().main_address

    @property
    def main_port(self) -> int:
        return self.meeting_point[1] if self.meeting_point else super().main_port

    def local_rank(self) -> int:
        return self.world.local

    def node_rank(self) -> int:
        return self.world.node


def count_of(devices: int | list[int]) -> int:
    """Return how many devices `choose_devices` returned."""
    return devices if isinstance(devices, int) else len(devices)


def choose_devices(trainer: Mapping[str, Any]) -> int | list[int]:
    """Return what ``trainer.devices`` asks for on this node: how many devices, or which GPUs.

    ``UserError`` for an accelerator or for devices that are not here, and for several processes on the CPU unless
    ``trainer.accelerator=cpu`` was typed.
    """
    accelerator, devices, nodes = trainer["accelerator"], trainer["devices"], trainer["num_nodes"]
    if accelerator not in ACCELERATORS:
        raise UserError(f"trainer.accelerator={shown(accelerator)} is not supported: choose {', '.join(ACCELERATORS)}")
    device = Machine.here(accelerator).device
    if accelerator not in (AUTO, "cpu") and device == "cpu":
        raise UserError(
            f"trainer.accelerator={accelerator}: there is no such device here: type trainer.accelerator=cpu"
        )
    here = {"cuda": max(torch.cuda.device_count(), 1), "mps": 1}.get(device, 0)
    given = devices.split(",") if isinstance(devices, str) and "," in devices else devices
    typed = f"trainer.devices={shown(devices)}".replace(" ", "").replace("'", "")
    if isinstance(given, (list, tuple)):
        return _listed(typed, [str(each).strip() for each in given], here)
    if str(given) in (AUTO, "-1"):
        given = max(here, 1)
    if isinstance(given, bool) or not str(given).isdecimal() or not int(given):
        raise UserError(f"{typed}: type how many, such as 4, a list of GPUs, or auto")
    if (count := int(given)) * nodes > 1 and device != "cuda" and accelerator != "cpu":
        what = typed if count > 1 else f"trainer.num_nodes={nodes}"
        raise UserError(f"{what}: no GPUs are here to share the work: type trainer.devices=1 trainer.num_nodes=1, or "
                        "trainer.accelerator=cpu for as many processes on the CPU")  # fmt: skip
    if count > here and device == "cuda":
        raise UserError(f"{typed}: {_gpus(here)} here: type trainer.devices={here}")
    return count


def choose_strategy(trainer: Mapping[str, Any], processes: int) -> str:
    """Return the strategy of one process or of several; ``UserError`` for one of which there is none here."""
    if trainer["strategy"] not in (AUTO, "ddp"):
        raise UserError(
            f"trainer.strategy={shown(trainer['strategy'])}: two players are trained in data parallel, type "
            "trainer.strategy=auto"
        )
    return "ddp" if processes > 1 else AUTO


def shares_batch_norm(trainer: Mapping[str, Any], processes: int) -> bool:
    """Return whether batch statistics are taken over all devices, which PyTorch can on GPUs alone."""
    typed, device = trainer.get("sync_batchnorm"), Machine.here(trainer["accelerator"]).device
    if typed is True and processes > 1 and device != "cuda":
        raise UserError(
            f"trainer.sync_batchnorm=true needs GPUs, and this is {device}: type trainer.sync_batchnorm=auto"
        )
    return bool(typed) and processes > 1 and device == "cuda"


def _listed(typed: str, ids: list[str], here: int) -> list[int]:
    if not ids or len(set(ids)) < len(ids) or not all(each.isdecimal() for each in ids):
        raise UserError(f"{typed}: type how many, such as 4, or a list of different GPUs, such as [0,1]")
    if not here:
        raise UserError(f"{typed} lists GPUs, and none are here: type how many processes, such as trainer.devices=1")
    if missing := [each for each in ids if int(each) >= here]:
        raise UserError(f"{typed} lists GPU {', '.join(missing)}: {_gpus(here)} here, numbered from 0")
    return [int(each) for each in ids]


def _gpus(count: int) -> str:
    return f"{count} GPU is" if count == 1 else f"{count} GPUs are"
