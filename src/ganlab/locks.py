"""Locks between processes, by the path of what is locked."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ganlab.errors import UserError

log = logging.getLogger(__name__)
BUSY = "is being trained by another process"  # of a run, in the error of whoever wants to train it too


@contextmanager
def locked(path: Path, work: str) -> Iterator[None]:
    """Hold the lock of ``path``; wait while another process holds it, with a warning that it ``work``, a verb."""
    lock = lock_of(path)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        log.warning("waiting for another process that %s", work)
        held = lock.acquire()
    with held, _removed(lock):
        yield


@contextmanager
def locked_or_refused(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock of ``path``; ``UserError`` with the message ``refusal`` while another process holds it."""
    try:
        held = (lock := lock_of(path)).acquire(blocking=False)
    except Timeout:
        raise UserError(refusal) from None
    with held, _removed(lock):
        yield


@contextmanager
def _removed(lock: FileLock) -> Iterator[None]:
    """Remove the file of a lock before it is freed; whoever waits for it sees that and takes a new one."""
    try:
        yield
    finally:
        with suppress(OSError):
            Path(lock.lock_file).unlink()


def lock_of(path: Path) -> FileLock:
    """Return the lock of a path, which need not exist; the operating system frees it however its holder ends."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return FileLock(lock_folder() / f"{name}.lock", mode=0o666)  # other users may share the folder


def lock_folder() -> Path:
    """Return the folder of all lock files: ``GANLAB_LOCKS``, else in the user's cache, else in the temporary folder.

    Users and machines that share packs or runs must share it to exclude each other.
    """
    if given := os.environ.get("GANLAB_LOCKS"):
        folder = Path(given)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    with suppress(OSError, RuntimeError):  # read-only, or a user without a home
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganlab" / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    folder = Path(tempfile.gettempdir()) / f"ganlab-locks-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    return folder
