"""Free memory of the machine and its GPU."""

import os
from contextlib import suppress
from pathlib import Path

import torch


def free_memory(device: torch.device) -> int:
    """Return the bytes that a device has left: a GPU's, or those of the machine or the process's control group."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # no Linux: what is installed
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    group = Path("/sys/fs/cgroup")  # version 2, as seen in a container
    with suppress(OSError, ValueError):  # no such group, or "max": unlimited
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        free = min(free, limit - used + int(cached.get("inactive_file", 0)))
    return free
