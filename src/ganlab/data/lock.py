"""A lock between processes."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, work: str) -> Iterator[None]:
    """Hold the lock file ``path`` alone; wait, saying so, while another process does ``work``.

    The operating system frees the lock when its holder ends, however it ends. The empty file stays: removing it
    would let two processes lock two files of one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("waiting for another process that %s", work)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
