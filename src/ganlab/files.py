"""Files that are whole or absent."""

import errno
import os
import shutil
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place and rename it, so that a kill leaves the old one or the new one."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    os.replace(unfinished, path)


def require_space(needed: int, folder: Path) -> None:
    """Raise the ``OSError`` of a full disk, with amounts, where fewer than ``needed`` bytes are free in ``folder``."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{amount(needed)} are needed in {folder}, {amount(free)} are free")


def amount(count: int) -> str:
    """Return a number of bytes as MB, or as GB from one on."""
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
