"""Atomic writes: a file or folder appears complete or not at all."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, TypeVar

from ganlab.errors import UserError

T = TypeVar("T")


@contextmanager
def atomic_write(path: Path, *, backup: Path | None = None, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of ``path`` that replaces ``path`` when the block ends.

    An error or a kill leaves the old file, or none. ``backup`` is a second name for the old file, made before it is
    replaced. ``sync`` flushes to the disk before the rename, so that a loss of power leaves no empty file either; it is
    slow for thousands of files. An ``OSError`` names ``path``.
    """
    temporary = temporary_name(path)
    try:
        with temporary.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if backup is not None and path.exists():
            try:
                link(path, backup)
            except OSError:  # not every file system gives a file two names
                os.replace(path, backup)
        os.replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    except OSError as error:
        if error.filename in (None, str(temporary)):  # a write to a full disk names no file
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def link(path: Path, name: Path) -> None:
    """Give a file a second ``name``, atomically; ``OSError`` where the file system has no hard links."""
    temporary = temporary_name(name)
    try:
        os.link(path, temporary)
        os.replace(temporary, name)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """Return a new hidden name in the folder of ``path``, which `remove_temporary_files` recognises."""
    return path.with_name(f".{path.name[:56]}.{secrets.token_hex(4)}.tmp")  # 255 bytes at most


def write_text_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 text file by `atomic_write`; names of files in other encodings keep their bytes."""
    with atomic_write(path) as file:
        file.write(text.encode(errors="surrogateescape"))


def append_text(path: Path, text: str) -> None:
    """Append to a UTF-8 text file; an ``OSError``, which names ``path``, leaves it as it was."""
    rest = memoryview(text.encode())
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            error.filename = str(path)
            file.truncate(size)
            raise


def remove_temporary_files(folder: Path, name: str = "*") -> None:
    """Remove what killed processes left of `atomic_write` to files ``name``, which no other process writes now."""
    for path in folder.glob(f".{name}.????????.tmp"):
        with suppress(OSError):
            path.unlink()


def misplaced(path: Path) -> bool:
    """Whether something other than a readable file stands at ``path``: a folder, a link to nothing."""
    return os.path.lexists(path) and not (path.is_file() and os.access(path, os.R_OK))


def set_aside(path: Path) -> Path:
    """Rename what stands at ``path`` to ``<name>.damaged-<number>``, and return that."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    place = next(name for name in names if not os.path.lexists(name))
    path.rename(place)
    return place


def read_json(path: Path, kind: type[T]) -> T | None:
    """Return the content of a JSON file; None if there is none, or it is damaged or not of this ``kind``."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, kind) else None


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
