"""LSUN's scenes, read straight out of the LMDB folders that its authors publish."""

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import lmdb

from ganlab.data.pictures import PictureFile, UnreadableImageError
from ganlab.data.source import Record, Source
from ganlab.errors import UserError

STRIDE = 128


class LSUN(Source):
    """Pictures of one or more LSUN classes (Yu et al. 2015), WebP or JPEG with a short side of 256.

    Each class lies in ``<root>/<class>_<split>_lmdb``, as github.com/fyu/lsun publishes it; the label is the
    position in ``classes``.

    Raises:
        UserError: a class is not there or its file is incomplete.
    """

    def __init__(self, root: str, classes: Sequence[str], split: str = "train") -> None:
        if isinstance(classes, str) or not classes:
            raise UserError(f"data.classes={classes or '[]'} is no list of classes: write data.classes=[bedroom]")
        if split not in ("train", "val"):
            raise UserError(f"data.split={split} is not in LSUN: take train or val")
        self.classes = [str(name) for name in classes]
        self.name = "-".join(["lsun", *self.classes, split])[:80]
        self.folders = [Path(root).expanduser() / f"{name}_{split}_lmdb" for name in self.classes]
        for name, folder in zip(self.classes, self.folders, strict=True):
            require_whole(folder, f"it with `python3 download.py -c {name}` of github.com/fyu/lsun, unzip it there")
        self.counts = [environment(folder).stat()["entries"] for folder in self.folders]

    def __len__(self) -> int:
        return sum(self.counts)

    def fingerprint(self) -> dict[str, Any]:
        """Entries, bytes and time of change of every class's data file."""
        facts = [(folder / "data.mdb").stat() for folder in self.folders]
        return {
            folder.name: {"entries": entries, "bytes": fact.st_size, "changed_ns": fact.st_mtime_ns}
            for folder, entries, fact in zip(self.folders, self.counts, facts, strict=True)
        }

    def read(self, index: int) -> Record:
        """Return one picture and the number of its class; the order is that of the keys."""
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
        name = f"{folder.name}/{key.decode(errors='backslashreplace')}"
        return {"images": PictureFile(io.BytesIO(value), name), "labels": label}

    @cached_property
    def _marks(self) -> list[list[bytes]]:
        """Every 128th key of each class: the 3 million keys of the bedrooms would fill 300 MB in each process."""
        return [list(every_key(folder, STRIDE)) for folder in self.folders]

    def __getstate__(self) -> dict[str, Any]:
        """Carry the marks along, so that no other process walks through all keys again."""
        _ = self._marks
        return self.__dict__


@cache
def environment(folder: Path) -> lmdb.Environment:
    """Open an LMDB folder for reading, once a process as LMDB demands; it writes nothing, not even a lock."""
    return lmdb.open(str(folder), readonly=True, lock=False, readahead=False)


def every_key(folder: Path, stride: int) -> Iterator[bytes]:
    """Yield the first key and every ``stride``-th after it, without touching the pictures."""
    with environment(folder).begin() as transaction, transaction.cursor() as cursor:
        for number, key in enumerate(cursor.iternext(values=False)):
            if number % stride == 0:
                yield key


def require_whole(folder: Path, mend: str) -> None:
    """Refuse a missing, damaged or cut-off data file: reading past its end would kill the process."""
    file = folder / "data.mdb"
    if not file.is_file():
        raise UserError(f"{file.absolute()} is missing: fetch {mend}, or set data.root to the folder of {folder.name}")
    try:
        pages, page_size = environment(folder).info()["last_pgno"] + 1, environment(folder).stat()["psize"]
    except lmdb.Error as error:
        raise UserError(
            f"{file.absolute()} is no LMDB file or damaged ({error}): remove it and fetch {mend}"
        ) from error
    if pages * page_size > file.stat().st_size:
        size = f"{file.stat().st_size:,} of {pages * page_size:,} bytes"
        raise UserError(f"{file.absolute()} is cut off ({size}): remove it and fetch {mend}")
