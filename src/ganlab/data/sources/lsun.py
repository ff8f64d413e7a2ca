"""LSUN's scenes and objects, read from the published LMDB folders."""

import io
import re
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from difflib import get_close_matches
from functools import cached_property
from itertools import accumulate, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lmdb

from ganlab.data.packs.pictures import PictureFile, UnreadableImageError
from ganlab.data.packs.record_reader import depend_on_parent
from ganlab.data.packs.source import NoSuchSplitError, NotFetchedError, Record, Source
from ganlab.errors import UserError

SITE = "http://dl.yf.io/lsun"  # the layout of folders is described at github.com/fyu/lsun
SCENES = (
    *("bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen", "living_room"),
    *("restaurant", "tower"),
)
OBJECTS = (
    *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining_table", "dog"),
    *("horse", "motorbike", "person", "potted_plant", "sheep", "sofa", "train", "tv-monitor"),
)
SPLITS = ("train", "val", "test")
STRIDE = 128
# Pages that LMDB has read stay mapped and count as memory of the process: it is reopened after this many records, and
# after each stride of keys.
MAPPED_RECORDS = 16


class LSUN(Source):
    """Pictures of LSUN classes (Yu et al. 2015), WebP or JPEG with a short side of 256; labels index ``classes``."""

    def __init__(self, root: str, classes: Sequence[str], split: str, download: bool) -> None:
        require_published(classes, split)
        self.root = Path(root).expanduser().absolute()
        self.classes = [str(name) for name in classes] if split != "test" else None
        self.name = "-".join(["lsun", *(self.classes or []), split])[:80]
        folders = [folder_of(name, split) for name in self.classes or [""]]
        if (self.root / "data.mdb").is_file():  # the folder of one class, or an LMDB file of one's own
            held = published(self.root.name)
            if held is None:
                self.classes, self.name = None, f"lsun-{re.sub('[^A-Za-z0-9._-]+', '_', self.root.name)}"[:80]
                folders = [self.root.name]
            elif self.root.name not in folders:
                raise UserError(
                    f"data.root={root} is LSUN's {self.root.name}: type {held}, or data.root=another folder"
                )
            self.root = self.root.parent
        self.folders = [self.root / folder for folder in folders]
        for folder in self.folders:
            if download and not folder.exists():
                from ganlab.data.fetching.download import fetch_archive  # rarely needed

                fetch_archive(address(folder), self.root, expected=folder)  # the bedrooms are 43 GB
            if not (folder / "data.mdb").is_file():
                otherwise = (
                    f"or fetch {address(folder)} and unzip it in {folder.parent}, or set data.root to the folder of "
                    f"{folder.name}, or to that folder itself"
                )
                problem = f"{folder / 'data.mdb'} is missing"
                raise NotFetchedError(problem, otherwise, "lsun", root=root, classes=self.classes or [], split=split)
            require_intact(folder)
        self.counts = [environment(folder).stat()["entries"] for folder in self.folders]

    def __len__(self) -> int:
        return sum(self.counts)

    def fingerprint(self) -> dict[str, Any]:
        facts = [(folder / "data.mdb").stat() for folder in self.folders]
        return {
            folder.name: {"entries": count, "bytes": fact.st_size, "changed_ns": fact.st_mtime_ns}
            for folder, count, fact in zip(self.folders, self.counts, facts, strict=True)
        }

    def read(self, index: int) -> Record:
        ends = list(accumulate(self.counts))
        label = bisect_right(ends, index)
        place = index - (ends[label] - self.counts[label])
        folder = self.folders[label]
        try:
            with environment(folder).begin() as transaction, transaction.cursor() as cursor:
                cursor.set_key(self._marks[label][place // STRIDE])
                for _ in range(place % STRIDE):
                    cursor.next()
                key, value = cursor.item()
        except lmdb.Error as error:
            raise UnreadableImageError(f"{folder.name}, record {place}", str(error)) from error
        picture = PictureFile(io.BytesIO(value), f"{folder.name}/{key.decode(errors='backslashreplace')}")
        return {"images": picture} | ({} if self.classes is None else {"labels": label})

    @cached_property
    def _marks(self) -> list[list[bytes]]:
        """Every 128th key of each class: all 3 million keys of the bedrooms would take 300 MB in each process."""
        with ProcessPoolExecutor(1, get_context("spawn"), depend_on_parent) as pool:
            marks = []  # LMDB kills a process that reads a damaged page of keys: another process reads them first
            for folder, count in zip(self.folders, self.counts, strict=True):
                try:
                    marks.append(pool.submit(list_marks, folder).result())
                    damage = None if len(marks[-1]) == -(-count // STRIDE) else "keys are missing"
                except BrokenProcessPool:
                    damage = "a page of keys cannot be read"
                except lmdb.Error as error:
                    damage = str(error)
                if damage:
                    raise UserError(f"{folder / 'data.mdb'} is damaged ({damage}): {fetch_again(folder)}")
            return marks

    def __getstate__(self) -> dict[str, Any]:
        _ = self._marks  # included, so that no other process reads all keys again
        return self.__dict__


def require_published(classes: Sequence[str], split: str) -> None:
    """Raise ``UserError`` if LSUN has no such classes or split."""
    if split not in SPLITS:
        raise NoSuchSplitError(f"data.split={split} is not in LSUN: take one of {', '.join(SPLITS)}")
    if split == "test":
        if classes:
            raise NoSuchSplitError("LSUN's test set has no labels: write data.split=test data.classes=[]")
        return
    if not classes:
        raise UserError("data.classes=[] names no class: write data.classes=[bedroom], or several such as [cat,dog]")
    known = (*SCENES, *OBJECTS)
    for name in map(str, classes):
        if name not in known:
            near = sorted({*get_close_matches(name, known), *(each for each in known if name in each or each in name)})
            choice = " or ".join(near) or ", ".join(known)
            raise UserError(f"data.classes holds {name}, which LSUN does not: take {choice}")
        if name in OBJECTS and split != "train":
            raise NoSuchSplitError(f"LSUN's objects, such as {name}, are not split: take data.split=train for all")
    if len(set(classes)) < len(classes):
        raise UserError(f"data.classes=[{','.join(classes)}] names a class twice: name each once")


def environment(folder: Path) -> lmdb.Environment:
    """Open an LMDB folder once per process as LMDB demands."""
    opened, uses = _opened.pop(folder, (None, 0))
    if opened is not None and uses >= MAPPED_RECORDS:
        opened.close()
        opened, uses = None, 0
    _opened[folder] = opened or open_lmdb(folder), uses + 1
    return _opened[folder][0]


_opened: dict[Path, tuple[lmdb.Environment, int]] = {}


def open_lmdb(folder: Path) -> lmdb.Environment:
    """Open an LMDB folder read-only and without a lock file."""
    return lmdb.open(str(folder), readonly=True, lock=False, readahead=False)


def list_marks(folder: Path) -> list[bytes]:
    """Return the first key and every ``STRIDE``-th after it, without reading the pictures."""
    marks: list[bytes] = []
    while True:
        with open_lmdb(folder) as mapped, mapped.begin() as transaction, transaction.cursor() as cursor:
            if marks:
                cursor.set_key(marks[-1])
            keys = list(islice(cursor.iternext(values=False), STRIDE + 1))
        marks += keys[STRIDE:] if marks else keys[::STRIDE]
        if len(keys) <= STRIDE:
            return marks


def address(folder: Path) -> str:
    """Return the URL of a published LMDB folder."""
    return f"{SITE}/{'objects' if folder.name in OBJECTS else 'scenes'}/{folder.name}.zip"


def fetch_again(folder: Path) -> str:
    """Return what to do about a damaged folder."""
    return f"delete {folder} and fetch {address(folder)} again"


def folder_of(name: str, split: str) -> str:
    """Return the name of the published folder of a class, or of the test set, whose class is empty."""
    return name if name in OBJECTS else f"{name}_{split}_lmdb".lstrip("_")


def published(folder: str) -> str | None:
    """Return what to type for a published folder; None if there is none of this name."""
    choices = [
        *((name, split) for split in ("train", "val") for name in SCENES),
        *((name, "train") for name in OBJECTS),
    ]
    for name, split in [*choices, ("", "test")]:
        if folder_of(name, split) == folder:
            return f"data.classes=[{name}] data.split={split}"
    return None


def require_intact(folder: Path) -> None:
    """Reject a damaged, truncated or empty data file: reading past its end would kill the process."""
    file = folder / "data.mdb"
    try:
        pages, page_size = environment(folder).info()["last_pgno"] + 1, environment(folder).stat()["psize"]
    except lmdb.Error as error:
        raise UserError(f"{file} is no LMDB file or damaged ({error}): {fetch_again(folder)}") from error
    if pages * page_size > file.stat().st_size:
        size = f"{file.stat().st_size:,} of {pages * page_size:,} bytes"
        raise UserError(f"{file} is cut off ({size}): {fetch_again(folder)}")
    if environment(folder).stat()["entries"] == 0:
        raise UserError(f"{file} holds no pictures: {fetch_again(folder)}")
