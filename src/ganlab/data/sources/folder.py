"""A folder of picture files."""

import hashlib
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganlab.data.packs.pictures import ENDINGS, PictureFile
from ganlab.data.packs.source import Record, Source
from ganlab.errors import UserError, one_line

log = logging.getLogger(__name__)

# Folders and files that operating systems and storage devices make, in lower case; hidden ones are left out anyway.
SYSTEM = frozenset(
    (
        "@eadir",
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "$recycle.bin",
        "recycler",
        "recycled",
    )
    + ("system volume information", "lost+found", "__macosx", "__pycache__", "desktop.ini", "thumbs.db", "ehthumbs.db")
)
NEEDED = {  # what files of other kinds are, and how to read them
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC photographs, for which there is no reader: convert them to JPEG"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "raw photographs: develop them"),
    **dict.fromkeys(
        (".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".mpg", ".wmv"), "videos: extract frames"
    ),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"), "archives: unpack them"),
    **dict.fromkeys((".svg", ".psd", ".jxl", ".exr", ".pdf", ".eps", ".ai", ".dcm", ".npy"), "convert them to PNG"),
    ".mdb": "an LMDB file: data=lsun reads those of LSUN",
}
# Files by which the folders of packs, runs and sweeps are recognised below a folder of pictures.
MADE = ({"pack.json"}, {"environment.json", "config.yaml"}, {"jobs.yaml", "sweep.csv"})
KINDS = 5  # kinds of files named
SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing")


class Folder(Source):
    """All picture files under ``root``, sorted by path, without hidden ones.

    Links are followed, each folder once and under its own name rather than that of a link. Files of other kinds are
    counted in a warning.
    """

    def __init__(self, root: str, *, labelled: bool = True) -> None:
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            kind = "is a file: unpack it and" if self.root.exists() else "does not exist:"
            raise UserError(f"data.root={root} {kind} set data.root to a folder of pictures")
        try:
            found, others = walk(self.root)
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read ({error.strerror}): grant access to it") from error
        aside = left_aside(others)
        if not found:
            endings = f"it holds {aside}" if aside else " ".join(ENDINGS)
            raise UserError(f"data.root={root} holds no picture ({endings}), nor do its sub-folders: set data.root")
        if aside:
            log.warning("%s", one_line(f"left aside in {self.root}: {aside}"))
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


def walk(root: Path) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Return every picture file below ``root``, sorted, and the other files.

    Packs, runs and sweeps below it are left aside, each as one file.

    Of a picture: the path relative to ``root``, size in bytes, modification time in ns; of another file, the path.
    """
    pictures, others = list[tuple[str, int, int]](), list[str]()
    visited: set[tuple[int, int]] = set()
    pending, links = [str(root)], list[str]()
    while pending or links:
        folder = pending.pop() if pending else links.pop(0)  # real folders first
        identity = os.stat(folder)
        if (identity.st_dev, identity.st_ino) in visited:  # a link to a parent, or to a folder that has its own name
            continue
        visited.add((identity.st_dev, identity.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        names = {entry.name for entry in entries}
        if made := next((min(files) for files in MADE if files <= names and folder != str(root)), None):
            others.append(os.path.relpath(os.path.join(folder, made), root))
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
                continue
            path = os.path.relpath(entry.path, root)
            # entry.is_dir() raises on a link that leads to itself.
            if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                (links if entry.is_symlink() else pending).append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() not in ENDINGS:
                others.append(path)
            elif os.path.isfile(entry.path):
                facts = entry.stat()
                pictures.append((path, facts.st_size, facts.st_mtime_ns))
            elif not os.path.exists(entry.path):  # a dangling link is a broken picture; a pipe is no picture
                pictures.append((path, 0, 0))
    return sorted(pictures), others


def left_aside(paths: Sequence[str]) -> str:
    """Return how many files of each kind there are, with the name of the first; empty without files."""
    kinds: dict[str, list[str]] = {}
    for path in sorted(paths):
        kinds.setdefault(os.path.splitext(path)[1].lower(), []).append(path)
    ranked = sorted(kinds.items(), key=lambda kind: (kind[0] not in NEEDED, -len(kind[1])))
    parts = [
        f"{len(files):,} {ending or 'without an ending'} ({files[0]}{', ...' * (len(files) > 1)}"
        f"{'; ' * (ending in NEEDED)}{NEEDED.get(ending, '')})"
        for ending, files in ranked[:KINDS]
    ]
    rest = sum(len(files) for _, files in ranked[KINDS:])
    return ", ".join([*parts, *([f"{rest:,} other files"] if rest else [])])
