"""Writes packs atomically; a killed writer can be continued."""

import io
import json
import math
import os
import time
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ganlab.data.packs.record_reader import Chunk
from ganlab.data.packs.source import Arrays
from ganlab.files import remove_temporary_files, replace_folder, write_text_atomically

COMMIT_SECONDS = 1.0  # work that a kill may lose


@dataclass
class Progress:
    """What is committed to disk: rows of the records before ``next``, checksums, skipped and rejected pictures."""

    next: int
    rows: int
    crc32: dict[str, int]
    skipped: list[list[str]]
    rejected: dict[str, int]


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
        progress.rows += len(next(iter(chunk.rows.values())))
        progress.skipped += [list(entry) for entry in chunk.skipped]
        progress.rejected = dict(Counter(progress.rejected) + Counter(chunk.rejected))
        progress.next = chunk.stop
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._sync()
            write_text_atomically(self.partial / "progress.json", json.dumps(asdict(self.progress)))
            self._committed = time.monotonic()

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the arrays' final lengths and, with their checksums, ``manifest`` as pack.json; rename the folder."""
        for name, file in self._files.items():
            file.seek(0)
            file.write(self._header(name, self.progress.rows))
        self._sync()
        self._close_files()
        described = {
            name: {"shape": [self.progress.rows, *shape], "dtype": dtype, "crc32": self.progress.crc32[name]}
            for name, (dtype, shape) in self.arrays.items()
        }
        manifest = {**manifest, "count": self.progress.rows, "arrays": described}
        write_text_atomically(self.partial / "pack.json", json.dumps(manifest, indent=1))
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
        """Return what an earlier process committed, unless its files are shorter."""
        try:
            progress = Progress(**json.loads((self.partial / "progress.json").read_text()))
            held = [self._path(name).stat().st_size >= self._bytes(name, progress.rows) for name in self.arrays]
        except (OSError, ValueError, TypeError):
            return None
        return progress if all(held) else None

    def _start(self) -> Progress:
        for name in self.arrays:
            self._path(name).write_bytes(self._header(name, 0))
        return Progress(next=0, rows=0, crc32=dict.fromkeys(self.arrays, 0), skipped=[], rejected={})

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
