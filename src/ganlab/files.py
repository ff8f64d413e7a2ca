"""Atomic writes: a file or folder appears complete or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ganlab.errors import UserError


@contextmanager
def atomic_write(path: Path, *, backup: Path | None = None, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of ``path`` that replaces ``path`` when the block ends.

    An error or a kill leaves the old file, or none. ``backup`` is a new name for the old file. ``sync`` flushes to the
    disk before the rename, so that a loss of power leaves no empty file either; it is slow for thousands of files.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if backup is not None and path.exists():
            os.replace(path, backup)
        os.replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 text file by `atomic_write`; names of files in other encodings keep their bytes."""
    with atomic_write(path) as file:
        file.write(text.encode(errors="surrogateescape"))


def remove_temporary_files(folder: Path) -> None:
    """Remove what killed processes left of `atomic_write`, in a folder that no other process writes to."""
    for path in folder.glob(".*.tmp"):
        path.unlink()


def replace_folder(source: Path, folder: Path) -> None:
    """Rename the finished folder ``source`` to ``folder``; what stood there is deleted just before."""
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(source, folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(needed: int, folder: Path) -> None:
    """Raise the ``OSError`` of a full disk, with amounts, where fewer than ``needed`` bytes are free in ``folder``."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{amount(needed)} are needed in {folder}, {amount(free)} are free")


def amount(count: int) -> str:
    """Return a number of bytes as MB, or as GB from one on."""
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def require_writable(key: str, folder: Path) -> None:
    """Raise ``UserError`` if the folder ``key=`` cannot be created or written to; nothing is created."""
    parent = folder.absolute()
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UserError(f"{key}={folder} cannot be written: {parent} is not a writable folder")


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Turn an ``OSError`` while writing ``output=`` into a ``UserError``."""
    try:
        yield
    except OSError as error:
        raise UserError(f"output={output} cannot be written: {error.strerror}") from error
