"""Packs: prepared pictures in memory-mapped arrays, built once per source and protocol."""

import errno
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from tqdm import tqdm

from ganlab.arguments import Natural, Share, checked
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.record_reader import FEW_RECORDS, arrays_of, chunks, row_bytes
from ganlab.data.packs.source import Source
from ganlab.data.packs.writer import PackWriter
from ganlab.errors import UserError
from ganlab.files import require_space
from ganlab.locks import locked

log = logging.getLogger(__name__)

READ_BYTES = 8 * 2**20
FORMAT = 2  # part of every key: packs of another format are rebuilt


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

    @classmethod
    def open(cls, folder: Path) -> "Pack":
        """Open a complete pack, or raise ``UserError``. Checksums are not compared, see `verify`."""
        if not os.path.isfile(folder / "pack.json"):
            raise UserError(f"{folder} is not a pack: it has no pack.json; give a folder that prepare.py made")
        try:
            manifest = json.loads((folder / "pack.json").read_text())
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in manifest["arrays"]}
            for name, expected in manifest["arrays"].items():
                if [*arrays[name].shape] != expected["shape"] or arrays[name].dtype != expected["dtype"]:
                    raise ValueError(f"{name}.npy is not of shape {expected['shape']} and {expected['dtype']}")
            if "labels" in arrays:
                arrays["labels"] = np.array(arrays["labels"])  # small, and read at every batch
            return cls(folder, manifest, arrays)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder} is incomplete ({error}): delete it, the next start rebuilds it") from error

    def verify(self) -> None:
        """Compare every array with its checksum; ``UserError`` if one differs."""
        for name, array in self.arrays.items():
            expected = self.manifest["arrays"][name]
            if len(array) != len(self) or checksum(array) != expected["crc32"]:
                raise UserError(
                    f"{self.folder} is damaged ({name}.npy has another checksum): delete this folder and repeat the "
                    "command that made it, such as python src/prepare.py data=NAME"
                )


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of an array's data; a memory map is read in parts."""
    step = max(1, READ_BYTES // max(1, array[:1].nbytes))
    crc = 0
    for start in range(0, len(array), step):
        crc = crc32(np.ascontiguousarray(array[start : start + step]).data, crc)
    return crc


@checked
def build(
    source: Source, protocol: PictureProtocol, packs: Path, *, max_broken: Share = 0.01, workers: Natural | None = None
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
            }
        )
    if progress.skipped:
        listed = folder / "pack.json"
        log.warning("%d of %d pictures cannot be read and are left out: see %s", len(progress.skipped), count, listed)


def bar_style(count: int) -> dict[str, Any]:
    """Return options of a progress bar: in a log a line every 30 s, and none for few pictures."""
    terminal = sys.stderr.isatty()
    style = {"mininterval": 0.2} if terminal else {"mininterval": 30, "delay": 30}
    return {"unit": "img", "disable": not terminal and count < FEW_RECORDS, **style}


def refuse_broken(skipped: list[list[str]], count: int, name: str, max_broken: float) -> None:
    """Raise ``UserError`` if more than the share ``max_broken`` of ``count`` pictures, or all, are skipped."""
    if len(skipped) <= max_broken * count and len(skipped) < count:
        return
    first = "; ".join(f"{file}: {reason}" for file, reason in skipped[:3])
    raise UserError(
        f"at least {len(skipped)} of {count} pictures of {name} cannot be read ({first}): replace or remove them, or "
        f"allow a larger share with data.max_broken (now {max_broken})"
    )
