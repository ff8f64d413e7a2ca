"""A lock between processes."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(path: Path, work: str) -> Iterator[None]:
    """Hold the lock file ``path`` alone; wait, saying so, while another process does ``work``.

    The operating system frees the lock when its holder ends, however it ends. The file is removed in the end, and so
    are those of its folders that were made here and are empty: work that failed leaves nothing behind, unless another
    process uses the folder by then.
    """
    folders = [path.parent, *path.parent.parents]
    made = [folder for folder in folders if not folder.exists()]
    with acquired(path, work):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # a folder that others filled meanwhile stays
                path.unlink()
                for folder in made:
                    folder.rmdir()


def acquired(path: Path, work: str) -> IO[str]:
    """Open and lock the file of name ``path``.

    What was waited for may be a file that its holder has removed: a third process could lock a new one of that name.
    So only the file that still has the name counts.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(path.open("a"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    log.warning("waiting for another process that %s", work)
                    fcntl.flock(file, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    stack.pop_all()
                    return file
            except FileNotFoundError:  # the file, or its folder, was removed in between
                continue
