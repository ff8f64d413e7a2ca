"""A pack: prepared pictures in one memory-mapped array, made once for a source and a protocol."""

import errno
import hashlib
import json
import logging
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from tqdm import tqdm

from ganlab.data.lock import locked
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.record_reader import FEW_RECORDS, arrays_of, chunks, row_bytes
from ganlab.data.packs.source import Source
from ganlab.data.packs.writer import PackWriter
from ganlab.errors import UserError
from ganlab.files import require_space

log = logging.getLogger(__name__)

READ_BYTES = 8 * 2**20
FORMAT = 2  # part of every key: packs of another format are made anew


@dataclass(frozen=True)
class Pack:
    """Records ready for training, in equally long ``arrays`` that are read from disk as needed.

    Most hold ``images`` (N,H,W,C) uint8; pairs hold ``inputs`` and ``targets`` instead. ``manifest`` is pack.json: key,
    source, fingerprint, protocol, classes, content, count, arrays (shape, dtype and crc32 of the data), the names and
    reasons of skipped pictures, the numbers of rejected ones by reason, and what the source notes about its records.
    """

    folder: Path
    manifest: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def __len__(self) -> int:
        return self.manifest["count"]

    @property
    def images(self) -> np.ndarray:
        """Pictures, uint8 (N,H,W,C): those to be learned, where there are also inputs."""
        return self.arrays["images" if "images" in self.arrays else "targets"]

    @property
    def labels(self) -> np.ndarray | None:
        """Classes, int64 (N,), or attributes, int64 (N,A)."""
        return self.arrays.get("labels")

    @classmethod
    def open(cls, folder: Path) -> "Pack":
        """Open a whole pack; ``UserError`` for anything else. Checksums are not read through."""
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
            raise UserError(f"{folder} is no whole pack ({error}): delete it, the next start makes it anew") from error

    def verify(self) -> None:
        """Read every array through; ``UserError`` where one is not as it was made."""
        for name, array in self.arrays.items():
            expected = self.manifest["arrays"][name]
            if len(array) != len(self) or checksum(array) != expected["crc32"]:
                raise UserError(
                    f"{self.folder} is damaged ({name}.npy is not as it was made): delete this folder and repeat the "
                    "command that made it, such as python src/prepare.py data=NAME"
                )


def checksum(array: np.ndarray) -> int:
    """Return the CRC-32 of an array's rows, one after the other; a memory map is read in parts."""
    step = max(1, READ_BYTES // max(1, array[:1].nbytes))
    crc = 0
    for start in range(0, len(array), step):
        crc = crc32(np.ascontiguousarray(array[start : start + step]).data, crc)
    return crc


def build(
    source: Source,
    protocol: PictureProtocol,
    packs: Path,
    *,
    max_broken: float = 0.01,
    workers: int | None = None,
) -> Pack:
    """Open the pack of a source in folder ``packs``, made first where there is none.

    Its folder is named by source, size and a key of fingerprint and protocol, so that changed pictures make a new
    pack. Several processes may ask at once: one builds, the others wait. A killed build continues.

    Args:
        source: where the pictures come from.
        protocol: how each becomes an array.
        packs: folder of all packs, created where it is missing.
        max_broken: share of pictures that may be unreadable (0..1); they are left out and listed in pack.json.
        workers: processes that read; None: one a core, 0: none but this.

    Raises:
        UserError: too many unreadable pictures or none at all, a full disk, a folder that cannot be written.
    """
    if not 0 <= max_broken <= 1:
        raise UserError(f"data.max_broken={max_broken} is no share: take a number from 0 to 1")
    if workers is not None and workers < 0:
        raise UserError(f"data.workers={workers} is negative: take null (one a core), 0 or more")
    folder = packs / pack_name(source, protocol)
    if (pack := whole(folder)) is None:
        try:
            with locked(packs / f".{folder.name}.lock", f"makes {folder}"):
                if (pack := whole(folder)) is None:
                    write(source, protocol, folder, max_broken, workers)
                    pack = Pack.open(folder)
        except OSError as error:
            raise UserError(disk_trouble(error, packs)) from error
    if skipped := pack.manifest["skipped"]:  # else the source need not be opened to be counted
        refuse_broken(skipped, len(source), source.name, max_broken)
    return pack


def pack_name(source: Source, protocol: PictureProtocol) -> str:
    """``<source>-<size>x<channels>-<key>``."""
    facts = json.dumps([FORMAT, source.name, source.fingerprint(), protocol.record()], sort_keys=True)
    key = hashlib.sha256(facts.encode()).hexdigest()[:12]
    return f"{source.name}-{protocol.image_size}x{protocol.channels}-{key}"


def whole(folder: Path) -> Pack | None:
    """Open the pack in ``folder`` if it is whole."""
    try:
        return Pack.open(folder)
    except UserError:
        return None


def write(source: Source, protocol: PictureProtocol, folder: Path, max_broken: float, workers: int | None) -> None:
    """Make the pack, or continue one begun, and rename it to ``folder`` when it is whole."""
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
    """Show a lively bar on a terminal; in a log a line every half minute, and none for a few pictures."""
    terminal = sys.stderr.isatty()
    return {"unit": "img", "mininterval": 0.2 if terminal else 30, "disable": not terminal and count < FEW_RECORDS}


def refuse_broken(skipped: list[list[str]], count: int, name: str, max_broken: float) -> None:
    """Raise ``UserError`` where more than the share ``max_broken``, or every one, of ``count`` pictures is skipped."""
    if len(skipped) <= max_broken * count and len(skipped) < count:
        return
    first = "; ".join(f"{file}: {reason}" for file, reason in skipped[:3])
    raise UserError(
        f"at least {len(skipped)} of {count} pictures of {name} cannot be read ({first}): mend or remove them, or "
        f"allow a larger share with data.max_broken (now {max_broken})"
    )


def disk_trouble(error: OSError, packs: Path) -> str:
    """One line on why packs cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.strerror}): free some space and repeat, or set packs=FOLDER on another disk"
    return f"packs cannot be written to {packs.absolute()} ({error}): set packs=FOLDER to a folder that you may write"
