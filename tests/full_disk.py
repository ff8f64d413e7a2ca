"""A disk that fills up: the fixture ``full_disk`` lets writes below a folder fail from a chosen one on."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class FullDisk:
    """Counts writes below ``folder``; from number ``full_at`` on all raise ENOSPC, the first after half its bytes."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.full_at: int | None = None
        self.count = 0

    def fill(self, folder: Path, full_at: int | None) -> None:
        self.folder, self.full_at, self.count = folder, full_at, 0

    def make_room(self) -> None:
        self.folder = None

    def point(self, path: object) -> None:
        """Count one write to ``path``, and raise if the disk is full by now."""
        if self.concerns(path):
            self.count += 1
            if self.full_at is not None and self.count >= self.full_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def concerns(self, path: object) -> bool:
        return self.folder is not None and isinstance(path, (str, Path)) and Path(path).is_relative_to(self.folder)

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hook of `sys.addaudithook`: opening a file to write, renaming, linking, making folders."""
        if self.folder is None:
            return
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.point(arguments[0])
        elif event in ("os.rename", "os.link"):
            self.point(arguments[1] if isinstance(arguments[1], (str, Path)) else os.fsdecode(arguments[1]))
        elif event == "os.mkdir":
            self.point(arguments[0])


DISK = FullDisk()
sys.addaudithook(DISK.watch)


class Raw(io.FileIO):
    """A file whose every write counts."""

    def write(self, data: Any) -> int:
        try:
            DISK.point(self.name)
        except OSError as error:
            if DISK.count == DISK.full_at and len(data) > 1:
                return super().write(memoryview(data)[: len(data) // 2])
            error.filename = None  # as where the system refuses a write
            raise
        return super().write(data)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    """A disk that can be filled for one test."""
    opened, fsync = Path.open, os.fsync

    def open_counted(self: Path, mode: str = "r", buffering: int = -1, *more: Any, **options: Any) -> Any:
        if not (DISK.concerns(self) and mode in ("wb", "ab")):
            return opened(self, mode, buffering, *more, **options)
        raw = Raw(self, mode)
        return io.BufferedWriter(raw) if buffering else raw

    def fsync_counted(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}") if os.path.exists("/proc/self/fd") else ""
        DISK.point(path)
        fsync(descriptor)

    monkeypatch.setattr(Path, "open", open_counted)
    monkeypatch.setattr(os, "fsync", fsync_counted)
    yield DISK
    DISK.make_room()
