"""What the machine chooses: precision, memory format, fused optimisers, TF32, compilation, and where the data lie.

A key that is ``auto`` is chosen once, before the run is built. What changes a number stands in the run's configuration
from then on and holds when the run continues, on whichever machine; where the data lie is chosen at each start.
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
SHARE = 2  # the packs may take one part in so many of a GPU's free memory
CACHED = 2**25, 2**31 - 1  # bytes: most that glibc takes from its own pool, and keeps in it


@dataclass(frozen=True)
class Machine:
    """What the device that trains can do.

    Attributes:
        device: ``cuda``, ``mps`` or ``cpu``.
        name: of the processor.
        bf16: whether it multiplies in bfloat16. Where it does not, PyTorch converts, which is slower than float32.
        tf32: whether it multiplies float32 in TF32.
        compiles: whether torch.compile has a compiler for it.
        avx2: whether AVX2 is the best that a processor of Intel's kind has.
    """

    device: str
    name: str
    bf16: bool = False
    tf32: bool = False
    compiles: bool = False
    avx2: bool = False

    @classmethod
    def here(cls, accelerator: str = AUTO) -> "Machine":
        """Look at the device that Lightning takes for ``trainer.accelerator``."""
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

    def choices(self, deterministic: bool = False, width: int | None = None) -> dict[str, Any]:
        """Return the value of each key that is ``auto`` but for `compiling`.

        Args:
            deterministic: whether every operation has to be.
            width: of the networks, channels next to the image; None where they have no such value.
        """
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

    def prepare(self, config: Mapping[str, Any]) -> None:
        """Set the process-wide options of PyTorch and the C library.

        Raises:
            UserError: the run is to be compiled, and there is no compiler.
        """
        if (mode := config["machine"]["compile"]) != "none" and not self.compiles:
            if self.device == "cuda":
                needed = "Triton, a C compiler and Python.h, which are not all here"
            else:
                needed = "a C++ compiler, which is not here"
            raise UserError(f"machine.compile={mode} needs {needed}: type machine.compile=none")
        if self.device == "cuda":
            torch.set_float32_matmul_precision("high" if config["machine"]["tf32"] else "highest")
            torch.backends.cudnn.allow_tf32 = config["machine"]["tf32"]
        if self.device == "cpu":
            keep_memory()

    def describe(self, config: Mapping[str, Any], system: AdversarialSystem, data: ImageDataModule, count: int) -> str:
        """Say in one line what ``count`` devices like this one are about to do, and how."""
        chosen, precision = config["machine"], config["trainer"]["precision"]
        slow = " (slow here: no bfloat16 products)" if precision.startswith("bf16") and not self.bf16 else ""
        count_of = torch.get_num_threads()
        threads = f", {count_of} thread{'s' * (count_of > 1)}" if self.device == "cpu" else ""
        tf32 = ["TF32"] if chosen["tf32"] and self.device == "cuda" else []
        channels_last = ["channels-last"] if chosen["channels_last"] else []
        stepping = fused_players(config, system)
        whose = "s" if len(stepping) == len(system.players) else f" of the {' and '.join(stepping)}"
        fused = [f"fused optimiser{whose}"] if stepping else []
        compiled = f"torch.compile {chosen['compile']}" if chosen["compile"] != "none" else "not compiled"
        if chosen["compile"] != "none" and (twice := system.differentiated_twice()):
            compiled += f" but for {', '.join(twice)}"
        place = "data on the GPU" if data.resident else "data memory-mapped"
        parts = [f"{precision}{slow}", *tf32, *channels_last, *fused, compiled, place]
        return f"{count} x {self.device} ({self.name}{threads}): {', '.join(parts)}"


def resolve_auto(
    config: Mapping[str, Any], choices: Mapping[str, Any], recorded: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a configuration in which no key of ``choices`` is ``auto``.

    Args:
        config: plain containers; what was typed by hand stays.
        choices: the machine's, by dotted key.
        recorded: the configuration that the run has had so far, which goes before the machine's choice; None for none.
    """
    settled, before = deepcopy(dict(config)), flat(recorded or {})
    for key, choice in choices.items():
        group, name = key.split(".")
        if settled[group][name] == AUTO:
            known = before.get(key, AUTO)
            settled[group][name] = choice if known == AUTO else known
    return settled


def fused_players(config: Mapping[str, Any], system: AdversarialSystem) -> list[str]:
    """Name the players whose optimisers step in one kernel: where that is chosen, and PyTorch has one."""
    if config["machine"]["fused"] is not True:
        return []
    return [name for name, player in system.players.items() if has_fused_kernel(player.optimizer)]


def has_fused_kernel(optimizer: Any) -> bool:
    """Whether an optimiser class, or a partial call of one, can do all of a step in one kernel."""
    return "fused" in signature(getattr(optimizer, "func", optimizer)).parameters


def triton_works() -> bool:
    """Whether Triton is here, and what it compiles its launchers with at run time, looked for where it looks."""
    compilers = [command] if (command := os.environ.get("CC")) else ["gcc", "clang"]
    scheme = sysconfig.get_default_scheme()
    if scheme == "posix_local":  # Debian's, whose folder of headers is empty
        scheme = "posix_prefix"
    headers = Path(sysconfig.get_path("include", scheme))
    return find_spec("triton") is not None and any(map(which, compilers)) and (headers / "Python.h").is_file()


def resident(typed: bool | str, data: ImageDataModule, device: torch.device) -> bool:
    """Whether batches are gathered from a copy of the packs on a GPU, for ``machine.data_on_device``.

    Raises:
        UserError: they were asked to be there, and there is no GPU or not enough memory.
    """
    if not typed or (typed == AUTO and device.type != "cuda"):
        return False
    if device.type != "cuda":
        raise UserError(f"machine.data_on_device=true needs a GPU, and this is {device.type}: leave it at auto")
    needed, free = data.nbytes, torch.cuda.mem_get_info(device)[0]
    if typed != AUTO and needed > free:
        raise UserError(
            f"machine.data_on_device=true: the packs take {amount(needed)}, and {amount(free)} of the GPU's memory are "
            "free: leave it at auto"
        )
    return typed != AUTO or needed * SHARE <= free


def keep_memory() -> None:
    """Let the C library keep the memory of freed tensors instead of giving it back to Linux at every step.

    Fetching it again, a page fault for each 4 kB, was measured to take 5 % of a step's time on one core.
    """
    if os.name != "posix" or platform.libc_ver()[0] != "glibc":
        return
    library, (mmap_threshold, trim_threshold) = ctypes.CDLL(None), CACHED
    library.mallopt(-3, mmap_threshold)  # M_MMAP_THRESHOLD of malloc.h, the largest that it takes
    library.mallopt(-1, trim_threshold)  # M_TRIM_THRESHOLD
