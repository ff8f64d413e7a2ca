"""What the machine chooses: precision, memory format, fused optimisers, TF32, compilation, and where the data lie.

An ``auto`` that changes a number is chosen at the first start and recorded: it holds when the run continues on another
machine. Where the data lie is chosen at each start.
"""

import ctypes
import os
import platform
import sysconfig
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from shutil import which
from typing import Any

import torch

from ganlab.configuration.checking import flat
from ganlab.data.module import ImageDataModule
from ganlab.errors import UserError
from ganlab.files import amount
from ganlab.systems.adversarial import AdversarialSystem

AUTO = "auto"
COMPILE_PAYS = 20_000  # minibatches: compiling takes about a minute, and then saves some milliseconds each
WIDE = 64  # channels next to the image; from here on AVX2 convolves as fast or faster with the channels first
SHARE = 0.5  # of a GPU's free memory, which the packs may take


@dataclass(frozen=True)
class Machine:
    """What the device that trains can do."""

    device: str  # cuda, mps or cpu
    name: str  # of the processor
    bf16: bool = False  # multiplies in bfloat16; else PyTorch converts, which is slower than float32
    tf32: bool = False  # multiplies float32 in TF32
    compiles: bool = False  # torch.compile has a compiler for it
    avx2: bool = False  # an x86 processor without AVX-512

    @classmethod
    def here(cls, accelerator: str = AUTO) -> "Machine":
        """Inspect the device that Lightning takes for ``trainer.accelerator``."""
        if accelerator in (AUTO, "gpu", "cuda") and torch.cuda.is_available():
            ampere = torch.cuda.get_device_capability()[0] >= 8
            return cls("cuda", torch.cuda.get_device_name(), bf16=ampere, tf32=ampere, compiles=triton_works())
        if accelerator in (AUTO, "gpu", "mps") and torch.backends.mps.is_available():
            return cls("mps", platform.processor())
        able = torch.cpu.get_capabilities()
        name = str(able.get("cpu_name") or platform.processor() or platform.machine())
        compiler = any(which(command) for command in (os.environ.get("CXX") or "c++", "g++", "clang++"))
        bf16, avx2 = bool(able.get("avx512_bf16") or able.get("amx_bf16")), bool(able.get("avx2"))
        return cls("cpu", name, bf16, compiles=compiler, avx2=avx2 and not able.get("avx512_f"))

    @property
    def memory(self) -> int:
        """Bytes of the device's memory."""
        if self.device == "cuda":
            return torch.cuda.get_device_properties(0).total_memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    def choices(self, deterministic: bool = False, width: int | None = None) -> dict[str, Any]:
        """Return a value for each ``auto``, except that of `compiling`; ``width`` counts channels next to the image."""
        # A step at 64x64 with the channels last took .95 of the time with them first at width 32, .98 to 1.07 at 64
        # and 1.14 to 1.21 at 128, on two cores with AVX2.
        first = self.avx2 and width is not None and width >= WIDE
        return {
            "trainer.precision": "bf16-mixed" if self.bf16 else "32-true",
            "trainer.benchmark": True if self.device == "cuda" and not deterministic else None,
            "machine.channels_last": not first,
            "machine.fused": self.device in ("cuda", "cpu"),
            "machine.tf32": self.tf32,
        }

    def compiling(self, minibatches: float) -> dict[str, Any]:
        """Return the value of ``machine.compile`` for a run of so many minibatches."""
        # On CPUs it was measured to add nothing to channels-last and bfloat16, at 30 s a start.
        pays = self.device == "cuda" and self.compiles and minibatches >= COMPILE_PAYS
        return {"machine.compile": "default" if pays else "none"}

    def require(self, machine: Mapping[str, Any]) -> None:
        """Raise ``UserError`` if a value of ``machine`` needs what is not here."""
        if (mode := machine["compile"]) not in (AUTO, "none") and not self.compiles:
            needed = "a C++ compiler, which is not here"
            if self.device == "cuda":
                needed = "Triton, a C compiler and Python.h, which are not all here"
            raise UserError(f"machine.compile={mode} needs {needed}: type machine.compile=none")
        if machine.get("data_on_device") is True and self.device != "cuda":
            raise UserError(f"machine.data_on_device=true needs a GPU, and this is {self.device}: leave it at auto")

    def prepare(self, config: Mapping[str, Any]) -> None:
        """Set process-wide options of PyTorch and the C library; ``UserError`` as `require`."""
        self.require(config["machine"])
        if self.device == "cuda":
            torch.set_float32_matmul_precision("high" if config["machine"]["tf32"] else "highest")
            torch.backends.cudnn.allow_tf32 = config["machine"]["tf32"]
        if self.device == "cpu":
            keep_memory()

    def describe(self, config: Mapping[str, Any], system: AdversarialSystem, data: ImageDataModule, count: int) -> str:
        """Describe in one line what ``count`` devices like this one are about to do, and how."""
        chosen, precision, fused = config["machine"], config["trainer"]["precision"], fused_players(config, system)
        slow = " (slow here: no bfloat16 products)" if precision.startswith("bf16") and not self.bf16 else ""
        number = torch.get_num_threads()
        threads = f", {number} thread{'s' * (number > 1)}" if self.device == "cpu" else ""
        whose = "s" if len(fused) == len(system.players) else f" of the {' and '.join(fused)}"
        compiled = "not compiled" if chosen["compile"] == "none" else f"torch.compile {chosen['compile']}"
        if chosen["compile"] != "none" and (twice := system.differentiated_twice()):
            compiled += f" but for {', '.join(twice)}"
        parts = [
            f"{precision}{slow}",
            "TF32" if chosen["tf32"] and self.device == "cuda" else "",
            "channels-last" if chosen["channels_last"] else "",
            f"fused optimiser{whose}" if fused else "",
            compiled,
            "data on the GPU" if data.resident else "data memory-mapped",
        ]
        return f"{count} x {self.device} ({self.name}{threads}): {', '.join(filter(None, parts))}"


def resolve_auto(
    config: Mapping[str, Any], choices: Mapping[str, Any], recorded: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a configuration without ``auto``: as ``recorded`` when the run last started, else as in ``choices``."""
    resolved, before = deepcopy(dict(config)), flat(recorded or {})
    for key, choice in choices.items():
        group, name = key.split(".")
        if resolved[group][name] == AUTO:
            known = before.get(key, AUTO)
            resolved[group][name] = choice if known == AUTO else known
    return resolved


def fused_players(config: Mapping[str, Any], system: AdversarialSystem) -> list[str]:
    """Return the players whose optimisers step in one kernel."""
    if config["machine"]["fused"] is not True:
        return []
    return [name for name, player in system.players.items() if has_fused_kernel(player.optimizer)]


def has_fused_kernel(optimizer: Any) -> bool:
    """Whether an optimiser class, or a partial call of one, can step in one kernel."""
    return "fused" in signature(getattr(optimizer, "func", optimizer)).parameters


def triton_works() -> bool:
    """Whether Triton is installed, and the compiler and headers that it needs at run time, where it looks for them."""
    compilers = [command] if (command := os.environ.get("CC")) else ["gcc", "clang"]
    scheme = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")  # Debian's first has no headers
    headers = Path(sysconfig.get_path("include", scheme))
    return find_spec("triton") is not None and any(map(which, compilers)) and (headers / "Python.h").is_file()


def resident(typed: bool | str, data: ImageDataModule, device: torch.device) -> bool:
    """Whether batches are gathered from a copy of the packs on a GPU, for the value of ``machine.data_on_device``."""
    if not typed or device.type != "cuda":
        return False
    needed, free = data.nbytes, torch.cuda.mem_get_info(device)[0]
    if typed != AUTO and needed > free:
        raise UserError(
            f"machine.data_on_device=true: the packs take {amount(needed)}, and {amount(free)} of the GPU's memory are "
            "free: leave it at auto"
        )
    return typed != AUTO or needed <= SHARE * free


def keep_memory() -> None:
    """Let glibc keep the memory of freed tensors: its page faults were measured to take 5 % of a step on one core."""
    if os.name == "posix" and platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(-3, 2**25)  # M_MMAP_THRESHOLD of malloc.h: the largest block from the pool, and its limit
        library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: bytes kept in the pool
