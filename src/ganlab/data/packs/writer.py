"""Writes packs atomically; a killed writer can be continued."""

import io
import json
import math
import os
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ganlab.data.packs.record_reader import Chunk
from ganlab.data.packs.source import Arrays
from ganlab.files import remove_temporary_files, replace_folder, write_text_atomically

COMMIT_SECONDS = 1.0  # work that a kill may lose
READ_BYTES = 8 * 2**20
DARK = 64  # of 255; the brightest of 14 bits in 16


@dataclass
class Progress:
    """What is committed to disk: rows of the records before ``next``, checksums, skipped and rejected pictures."""

    next: int
    rows: int
    crc32: dict[str, int]
    skipped: list[list[str]]
    rejected: dict[str, int]
    dark: int  # pictures without a pixel above `DARK`, except black ones


class PackWriter:
    """Appends rows to arrays in ``<folder>.partial``, renamed at the end; continues where a killed writer stopped."""

    def __init__(self, folder: Path, arrays: Arrays) -> None:
        self.folder = folder
        self.partial = folder.with_name(folder.name + ".partial")
        self._folders = [self.partial, *(parent for parent in folder.parents if not parent.exists())]
        self.partial.mkdir(parents=True, exist_ok=True)
        self.arrays = arrays
        self._files: dict[str, IO[bytes]] = {}
        try:
            self.progress = self._restore() or self._start()
            for name in arrays:
                self._files[name] = file = self._path(name).open("r+b")
                file.truncate(self._bytes(name, self.progress.rows))
                file.seek(0, os.SEEK_END)
        except OSError:
            self.close()
            raise
        self._committed = time.monotonic()

    def append(self, chunk: Chunk) -> None:
        """Append a chunk, and commit once per second."""
        progress = self.progress
        for name, values in chunk.rows.items():
            data = np.ascontiguousarray(values).data
            self._files[name].write(data)
            progress.crc32[name] = zlib.crc32(data, progress.crc32[name])
            if values.dtype == np.uint8 and values.ndim == 4:
                brightest = values.max(axis=(1, 2, 3), initial=0)
                progress.dark += int(np.count_nonzero((brightest > 0) & (brightest <= DARK)))
        progress.rows += len(next(iter(chunk.rows.values())))
        progress.skipped += [list(entry) for entry in chunk.skipped]
        progress.rejected = dict(Counter(progress.rejected) + Counter(chunk.rejected))
        progress.next = chunk.stop
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._sync()
            write_text_atomically(self.partial / "progress.json", sealed(asdict(self.progress)))
            self._committed = time.monotonic()

    def finish(self, manifest: dict[str, Any], names: Sequence[str] | None = None) -> None:
        """Write the arrays' final lengths and, with their checksums, ``manifest`` as pack.json; rename the folder.

        ``names`` of the records, without those skipped, are written to names.json.
        """
        for name, file in self._files.items():
            file.seek(0)
            file.write(self._header(name, self.progress.rows))
        self._sync()
        self._close_files()
        described = {
            name: {"shape": [self.progress.rows, *shape], "dtype": dtype, "crc32": self.progress.crc32[name]}
            for name, (dtype, shape) in self.arrays.items()
        }
        manifest = {**manifest, "count": self.progress.rows, "arrays": described, "dark": self.progress.dark}
        if names is not None:
            listed = json.dumps(names, indent=0)
            write_text_atomically(self.partial / "names.json", listed)
            manifest["names"] = zlib.crc32(listed.encode())
        write_text_atomically(self.partial / "pack.json", sealed(manifest))  # last, see `Pack.open`
        (self.partial / "progress.json").unlink(missing_ok=True)
        remove_temporary_files(self.partial)
        replace_folder(self.partial, self.folder)

    def close(self) -> None:
        """Close the files; remove them if nothing was committed."""
        self._close_files()
        if not (self.partial / "progress.json").exists():
            for name in self.arrays:
                self._path(name).unlink(missing_ok=True)
            with suppress(OSError):  # finished, or the folder holds other files
                for folder in self._folders:
                    folder.rmdir()

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()

    def _restore(self) -> Progress | None:
        """Return what an earlier process committed, unless its files hold something else."""
        try:
            progress = Progress(**unsealed((self.partial / "progress.json").read_text()))
            for name in self.arrays:
                start, stop = len(self._header(name, 0)), self._bytes(name, progress.rows)
                if checksum_of_file(self._path(name), start, stop) != progress.crc32[name]:
                    return None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return progress

    def _start(self) -> Progress:
        for name in self.arrays:
            self._path(name).write_bytes(self._header(name, 0))
        return Progress(next=0, rows=0, crc32=dict.fromkeys(self.arrays, 0), skipped=[], rejected={}, dark=0)

    def _path(self, name: str) -> Path:
        return self.partial / f"{name}.npy"

    def _header(self, name: str, rows: int) -> bytes:
        """Return the header of a .npy file, which NumPy pads to the same length for any number of rows."""
        dtype, shape = self.arrays[name]
        head = io.BytesIO()
        description = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (rows, *shape)}
        np.lib.format.write_array_header_1_0(head, description)
        return head.getvalue()

    def _bytes(self, name: str, rows: int) -> int:
        dtype, shape = self.arrays[name]
        return len(self._header(name, rows)) + rows * math.prod(shape) * np.dtype(dtype).itemsize

    def _sync(self) -> None:
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())


def sealed(facts: dict[str, Any]) -> str:
    """Return facts as JSON with their own checksum."""
    return json.dumps({**facts, "checksum": zlib.crc32(json.dumps(facts).encode())}, indent=1)


def unsealed(text: str) -> dict[str, Any]:
    """Return the facts of a `sealed` text, or of one without a checksum; ``ValueError`` if they were changed."""
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError("it holds no JSON object")
    if facts.pop("checksum", None) not in (None, zlib.crc32(json.dumps(facts).encode())):
        raise ValueError("it was changed")
    return facts


def checksum_of_file(path: Path, start: int, stop: int) -> int | None:
    """Return the CRC-32 of the bytes ``start`` .. ``stop`` - 1 of a file; None if it is shorter."""
    crc = 0
    with path.open("rb") as file:
        file.seek(start)
        while start < stop:
            if not (block := file.read(min(READ_BYTES, stop - start))):
                return None
            crc, start = zlib.crc32(block, crc), start + len(block)
    return crc
