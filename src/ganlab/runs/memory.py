"""Memory that the machine and its GPU have left, and whether pictures fit into it."""

import os
from contextlib import suppress
from pathlib import Path

import torch

from ganlab.data.packs.pictures import UnreadableImageError, opened
from ganlab.errors import UserError
from ganlab.files import amount
from ganlab.runs.picture_folders import Pictures
from ganlab.runs.preparing import print_line
from ganlab.systems.translator import Translator

SHARE = 0.9  # of the free memory that may be filled


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


def require_memory(
    translator: Translator, pictures: Pictures, size: tuple[int, int] | None, device: torch.device
) -> None:
    """Print what the largest picture needs, or raise ``UserError`` if that is more than is free."""
    sizes: dict[tuple[int, int], str] = {}
    for name in pictures.names:
        with suppress(UnreadableImageError), opened(pictures.file(name)) as picture:
            sizes[size or picture.size] = name
    for (width, height), name in sizes.items():
        if translator.fixed and (width, height) != (translator.side, translator.side):
            side = translator.side
            raise UserError(f"{name} is {width}x{height}, and this network takes {side}x{side}: type load_size={side}")
    if not sizes:
        return
    places = {"cpu": free_memory(torch.device("cpu")), device.type: free_memory(device)}

    def needed(shape: tuple[int, int], tile: int | None = None) -> dict[str, int]:
        passing, picture = translator.memory(shape[1], shape[0], tile)
        return {"cpu": picture + passing} if device.type == "cpu" else {device.type: passing, "cpu": picture}

    def fits(need: dict[str, int]) -> bool:
        return all(need[place] <= SHARE * places[place] for place in need)

    largest = max(sizes, key=lambda shape: sum(needed(shape).values()))
    need = needed(largest)
    amounts = ", ".join(f"{amount(need[place])} of {place} memory ({amount(places[place])} free)" for place in need)
    line = f"{sizes[largest]} of {largest[0]}x{largest[1]} needs about {amounts}"
    if fits(need):
        return print_line(f"the largest picture, {line}")
    side = translator.least
    while fits(needed(largest, 2 * side)):
        side *= 2
    fix = f"type tile={side}" if not translator.fixed and fits(needed(largest, side)) else "make it smaller"
    raise UserError(f"{line}: {fix}")
