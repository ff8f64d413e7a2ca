"""Files that are whole or absent."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place and rename it, so that a kill leaves the old one or the new one."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    os.replace(unfinished, path)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file beside its place for the block, and put it there once it is whole and on the disk.

    Whatever goes wrong leaves the old file, or none.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def require_space(needed: int, folder: Path) -> None:
    """Raise the ``OSError`` of a full disk, with amounts, where fewer than ``needed`` bytes are free in ``folder``."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{amount(needed)} are needed in {folder}, {amount(free)} are free")


def amount(count: int) -> str:
    """Return a number of bytes as MB, or as GB from one on."""
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
