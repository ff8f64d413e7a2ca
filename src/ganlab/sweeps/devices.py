"""Devices of a sweep and the jobs that hold them, without importing torch."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Sequence

from ganlab.errors import UserError

CPU = "cpu"


class DevicePool:
    """The GPUs, by default all visible ones, and the CPU of a sweep, each with ``jobs_per_device`` slots."""

    def __init__(self, asked: object = None, jobs_per_device: int = 1):
        if not isinstance(jobs_per_device, int) or jobs_per_device < 1:
            raise UserError(f"hydra.launcher.jobs_per_device={jobs_per_device}: type a whole number from 1 on")
        self.gpus = _choose(asked)
        self.jobs_per_device = jobs_per_device
        self._room = Counter({device: jobs_per_device for device in [*self.gpus, CPU]})

    def demand(self, accelerator: str, devices: object) -> int:
        """Return the GPUs that a job needs by ``trainer.accelerator`` and ``trainer.devices``; 0 for the CPU."""
        if accelerator in ("cpu", "mps") or not self.gpus:
            return 0
        if devices in ("auto", "-1", -1, None):
            return 1  # a job sees its own GPU only
        if not str(devices).isdecimal() or int(str(devices)) < 1:
            raise UserError(
                f"trainer.devices={devices} cannot be shared out in a sweep; type trainer.devices=1 (GPUs a job) "
                "and list the GPUs with hydra.launcher.devices=[...]"
            )
        if (count := int(str(devices))) > len(self.gpus):
            raise UserError(
                f"trainer.devices={count} asks for more GPUs a job than this sweep has ({', '.join(self.gpus)}); "
                f"type trainer.devices={len(self.gpus)} or fewer, or list more in hydra.launcher.devices"
            )
        return count

    def take(self, gpus: int) -> list[str]:
        """Return distinct devices with free slots for a job, the emptiest first; empty if it has to wait."""
        free = [device for device, room in self._room.most_common() if room and (device == CPU) == (gpus == 0)]
        taken = free[: gpus or 1] if len(free) >= (gpus or 1) else []
        self._room.subtract(taken)
        return taken

    def give(self, devices: Sequence[str]) -> None:
        self._room.update(devices)

    def environment(self, devices: Sequence[str]) -> dict[str, str]:
        """Return the environment variables that restrict a job to its GPUs, or to its share of CPU threads."""
        if list(devices) != [CPU]:
            return {"CUDA_VISIBLE_DEVICES": ",".join(devices)}
        if self.jobs_per_device == 1 or "OMP_NUM_THREADS" in os.environ:
            return {}
        # Threads of two jobs on one core wait for each other: measured ten times slower than in turn.
        return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self.jobs_per_device))}

    @staticmethod
    def describe(devices: Sequence[str]) -> str:
        return "the CPU" if list(devices) == [CPU] else f"GPU {','.join(devices)}"


def _choose(asked: object) -> list[str]:
    visible = _visible()
    if asked is None:
        return visible
    ids = [str(each) for each in asked] if isinstance(asked, Sequence) and not isinstance(asked, str) else []
    if not ids or len(set(ids)) < len(ids):
        raise UserError(
            f"hydra.launcher.devices={asked}: type a list of different GPU ids, such as hydra.launcher.devices=[0,1]; "
            "several jobs share a GPU with hydra.launcher.jobs_per_device"
        )
    # CUDA ignores unknown ids, and the job would run on the CPU without a warning. UUIDs are not checked.
    if unknown := [each for each in ids if visible and each.isdecimal() and each not in visible]:
        raise UserError(
            f"hydra.launcher.devices names GPU {', '.join(unknown)}, but only {', '.join(visible)} can be seen here; "
            f"type hydra.launcher.devices=[{','.join(visible)}]"
        )
    return ids


def _visible() -> list[str]:
    """Return the ids in CUDA_VISIBLE_DEVICES, or else of ``nvidia-smi -L``; empty without a driver."""
    if (listed := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [each.strip() for each in listed.split(",") if each.strip() not in ("", "-1")]
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^GPU (\d+):", answer.stdout, re.MULTILINE)
