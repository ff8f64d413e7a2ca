"""Packs: prepared pictures in memory-mapped arrays, built once per source and protocol."""

import errno
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any
from zlib import crc32

import numpy as np
from tqdm import tqdm

from ganlab.arguments import Few, Share, checked
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.record_reader import FEW_RECORDS, arrays_of, chunks, row_bytes
from ganlab.data.packs.remarks import by_reason, dark_remark, refuse_broken
from ganlab.data.packs.source import Source
from ganlab.data.packs.writer import READ_BYTES, PackWriter, unsealed
from ganlab.errors import UserError, one_line
from ganlab.files import require_space
from ganlab.locks import locked

log = logging.getLogger(__name__)

FORMAT = 2  # part of every key: packs of another format are rebuilt
FACTS: dict[str, type | tuple[type, ...]] = {  # in every pack.json
    **{"key": str, "source": str, "fingerprint": dict, "protocol": dict, "classes": (list, NoneType)},
    **{"skipped": list, "rejected": dict, "count": int, "arrays": dict},
}
PICTURES = ("images", "inputs", "targets")  # uint8 (N, H, W, C)


@dataclass(frozen=True)
class Pack:
    """Records ready for training, in memory-mapped arrays of equal length."""

    folder: Path
    manifest: dict[str, Any]  # content of pack.json, see `write`; arrays with shape, dtype and crc32; count
    arrays: dict[str, np.ndarray]  # ``images`` uint8 (N, H, W, C), or ``inputs`` and ``targets``; labels and others

    def __len__(self) -> int:
        return self.manifest["count"]

    @property
    def images(self) -> np.ndarray:
        """Pictures, uint8 (N, H, W, C): ``images`` or ``targets``."""
        return self.arrays["images" if "images" in self.arrays else "targets"]

    @property
    def labels(self) -> np.ndarray | None:
        """Classes, int64 (N,), or attributes, int64 (N, A); None if there are none."""
        return self.arrays.get("labels")

    @property
    def content(self) -> dict[str, Any]:
        """What two packs of the same pictures share: checksums of arrays, and of the names of files if there are any.

        The name of the folder is that of this pack; sources and times of files are left out.
        """
        return {"pack": self.folder.name, "arrays": self.manifest["arrays"], "names": self.manifest.get("names")}

    def names(self) -> list[str] | None:
        """Return the names of the files that the pack was made of, one a row unless a file gives several; or None."""
        try:
            text = (self.folder / "names.json").read_bytes()
        except OSError:
            return None
        return json.loads(text) if crc32(text) == self.manifest.get("names") else None

    @classmethod
    def open(cls, folder: Path) -> "Pack":
        """Open a complete pack, or raise ``UserError``.

        pack.json is compared with its own checksum, and each array with its size, shape and dtype; with its checksum
        only if the file changed since pack.json was written or last found right: see `verify`.
        """
        if not os.path.isfile(folder / "pack.json"):
            raise UserError(f"{folder} is not a pack: it has no pack.json; give a folder that prepare.py made")
        try:
            manifest = unsealed((folder / "pack.json").read_text())
            for key, kinds in FACTS.items():
                if not isinstance(manifest[key], kinds):
                    raise ValueError(f"{key} of pack.json is damaged")
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in manifest["arrays"]}
            for name, expected in manifest["arrays"].items():
                array = arrays[name]
                if [*array.shape] != expected["shape"] or array.dtype != expected["dtype"]:
                    raise ValueError(f"{name}.npy is not of shape {expected['shape']} and {expected['dtype']}")
                if len(array) != manifest["count"] or array.offset + array.nbytes != array_file(folder, name).st_size:
                    raise ValueError(f"{name}.npy does not hold {manifest['count']:,} records")
                if name in PICTURES and (array.ndim != 4 or array.dtype != np.uint8):
                    raise ValueError(f"{name}.npy holds no pictures")
            pack = cls(folder, manifest, arrays)
            if not {"images", "targets"} & arrays.keys() or not len(pack):
                raise ValueError("it holds no pictures")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
            raise UserError(f"{folder} is incomplete ({reason}): delete it, the next start rebuilds it") from error
        if max(array_file(folder, name).st_ctime_ns for name in arrays) >= (folder / "pack.json").stat().st_ctime_ns:
            pack.verify()
        if "labels" in arrays:
            arrays["labels"] = np.array(arrays["labels"])  # small, and read at every batch
        return pack

    def verify(self) -> None:
        """Compare every array with its checksum; ``UserError`` if one differs."""
        for name, array in self.arrays.items():
            expected = self.manifest["arrays"][name]
            if len(array) != len(self) or checksum(array) != expected["crc32"]:
                raise UserError(
                    f"{self.folder} is damaged ({name}.npy has another checksum): delete this folder and repeat the "
                    "command that made it, such as python src/prepare.py data=NAME"
                )
        with suppress(OSError):  # as in a folder that cannot be written, which is then compared at every opening
            os.utime(self.folder / "pack.json")


def array_file(folder: Path, name: str) -> os.stat_result:
    """Return size and times of an array's file."""
    return (folder / f"{name}.npy").stat()


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of an array's data; a memory map is read in parts."""
    step = max(1, READ_BYTES // max(1, array[:1].nbytes))
    crc = 0
    for start in range(0, len(array), step):
        crc = crc32(np.ascontiguousarray(array[start : start + step]).data, crc)
    return crc


@checked
def build(
    source: Source, protocol: PictureProtocol, packs: Path, *, max_broken: Share = 0.01, workers: Few | None = None
) -> Pack:
    """Open the pack of a source in folder ``packs``, built if missing; ``UserError`` if too much is broken."""
    folder = packs / pack_name(source, protocol)  # changed pictures or another protocol make a new pack
    pack = open_or_write(folder, lambda: write(source, protocol, folder, max_broken, workers))
    if skipped := pack.manifest["skipped"]:  # else the source need not be opened to be counted
        refuse_broken(skipped, len(source), source.name, max_broken)
    return pack


def open_or_write(folder: Path, write: Callable[[], None]) -> Pack:
    """Open the pack in ``folder``; if it is missing, one process calls ``write`` while others wait."""
    if (pack := open_complete(folder)) is None:
        try:
            with locked(folder, f"makes {folder}"):
                if (pack := open_complete(folder)) is None:
                    if folder.is_dir():
                        log.warning("%s is damaged or incomplete: it is made again", folder)
                    write()
                    pack = Pack.open(folder)
        except OSError as error:
            problem = f"packs cannot be written to {folder.parent.absolute()} ({error})"
            fix = "set packs=FOLDER to a writable folder"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                problem = f"the disk is full ({error.strerror})"
                fix = "free some space and repeat, or set packs=FOLDER on another disk"
            raise UserError(f"{problem}: {fix}") from error
    return pack


def pack_name(source: Source, protocol: PictureProtocol) -> str:
    """Return ``<source>-<size>x<channels>-<key>``."""
    facts = json.dumps([FORMAT, source.name, source.fingerprint(), protocol.record()], sort_keys=True)
    key = hashlib.sha256(facts.encode()).hexdigest()[:12]
    return f"{source.name}-{protocol.image_size}x{protocol.channels}-{key}"


def open_complete(folder: Path) -> Pack | None:
    """Open the pack in ``folder``; None if it is missing or incomplete."""
    try:
        return Pack.open(folder)
    except UserError:
        return None


def write(source: Source, protocol: PictureProtocol, folder: Path, max_broken: float, workers: int | None) -> None:
    """Write the pack, or continue writing it, and rename it to ``folder`` when it is complete."""
    count = len(source)
    arrays = arrays_of(source, protocol)
    with closing(PackWriter(folder, arrays)) as writer:
        progress = writer.progress
        require_space((count - progress.next) * row_bytes(arrays), folder.parent)
        with (
            closing(chunks(source, protocol, progress.next, workers)) as stream,
            tqdm(desc=f"packing {source.name}", total=count, initial=progress.next, **bar_style(count)) as bar,
        ):
            for chunk in stream:
                bar.update(chunk.stop - progress.next)
                writer.append(chunk)
                refuse_broken(progress.skipped, count, source.name, max_broken)
        if not progress.rows:
            reasons = ", ".join(f"{times} {reason}" for reason, times in progress.rejected.items())
            raise UserError(f"{source.name} gives no picture for a pack ({reasons}): set data.root to other pictures")
        unread = {name for name, _ in progress.skipped}
        names = source.file_names()
        writer.finish(
            {
                "key": folder.name.rsplit("-", 1)[1],
                "source": source.name,
                "fingerprint": source.fingerprint(),
                "protocol": protocol.record(),
                "classes": source.classes,
                "content": source.content,
                "skipped": progress.skipped,
                "rejected": progress.rejected,
                **source.notes(),
            },
            None if names is None else [name for name in names if name not in unread],
        )
    if progress.skipped:
        log.warning("%s; see %s", one_line(by_reason(progress.skipped)), folder / "pack.json")
    if remark := dark_remark(progress.dark, progress.rows):
        log.warning("%s", remark)


def bar_style(count: int) -> dict[str, Any]:
    """Return options of a progress bar: in a log a line every 30 s, and none for few pictures."""
    terminal = sys.stderr.isatty()
    style = {"mininterval": 0.2} if terminal else {"mininterval": 30, "delay": 30}
    return {"unit": "img", "disable": not terminal and count < FEW_RECORDS, **style}
