"""A folder of picture files."""

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganlab.data.packs.pictures import ENDINGS, PictureFile
from ganlab.data.packs.source import Record, Source
from ganlab.errors import UserError, one_line

log = logging.getLogger(__name__)

SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing")


class Folder(Source):
    """All picture files under ``root``, sorted by path, without hidden ones; links are followed, each folder once."""

    def __init__(self, root: str, *, labelled: bool = True) -> None:
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            kind = "is a file: unpack it and" if self.root.exists() else "does not exist:"
            raise UserError(f"data.root={root} {kind} set data.root to a folder of pictures")
        try:
            found = sorted(walk(self.root))
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read ({error.strerror}): grant access to it") from error
        if not found:
            endings = " ".join(ENDINGS)
            raise UserError(f"data.root={root} holds no picture ({endings}), nor do its sub-folders: set data.root")
        self.files = [path for path, _, _ in found]
        self.name = "folder-" + re.sub(r"[^A-Za-z0-9._-]+", "_", self.root.resolve().name)[:40]
        tops = [path.split(os.sep, 1)[0] if os.sep in path else None for path in self.files]
        names = sorted({top for top in tops if top is not None})
        self.classes = names if labelled and None not in tops else None  # top sub-folders, if all pictures are in one
        self._doubt_classes()
        self._digest = hashlib.sha256("".join(map(repr, found)).encode()).hexdigest()

    def _doubt_classes(self) -> None:
        """Warn if the sub-folders are probably no classes: a single one, or the splits of a data set."""
        if not self.classes or (len(self.classes) > 1 and not all(name.lower() in SPLITS for name in self.classes)):
            return
        chosen = min(self.classes, key=lambda name: not name.lower().startswith("train"))
        found = f"the sub-folder{'s' * (len(self.classes) > 1)} {', '.join(self.classes)}"
        fix = f"data.root={self.root / chosen}"
        log.warning("%s", one_line(f"{found} of {self.root} became the only classes: if that is wrong, set {fix}"))

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> dict[str, Any]:
        """Hash paths relative to the root, sizes and modification times: a moved folder keeps its pack."""
        return {"files": len(self), "sha256": self._digest}

    def file_names(self) -> list[str] | None:
        return self.files

    def read(self, index: int) -> Record:
        path = self.files[index]
        record: dict[str, Any] = {"images": PictureFile(self.root / path, path)}
        if self.classes is not None:
            record["labels"] = self.classes.index(path.split(os.sep, 1)[0])
        return record


def walk(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yield (path relative to ``root``, size in bytes, modification time in ns) of every picture file below it."""
    visited: set[tuple[int, int]] = set()
    pending = [root]
    while pending:
        folder = pending.pop()
        identity = folder.stat()
        if (identity.st_dev, identity.st_ino) in visited:  # a link to a parent, or a second link to the same folder
            continue
        visited.add((identity.st_dev, identity.st_ino))
        for entry in os.scandir(folder):
            if entry.name.startswith("."):
                continue
            # entry.is_dir() raises on a link that leads to itself.
            if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                pending.append(Path(entry.path))
            elif os.path.splitext(entry.name)[1].lower() in ENDINGS:
                path = os.path.relpath(entry.path, root)
                if os.path.isfile(entry.path):
                    facts = entry.stat()
                    yield path, facts.st_size, facts.st_mtime_ns
                elif not os.path.exists(entry.path):  # a dangling link is a broken picture; a pipe is no picture
                    yield path, 0, 0
