"""Reads a source in order with several processes."""

import math
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import NamedTuple

import numpy as np

from ganlab.data.packs.pictures import PictureProtocol, UnreadableImageError
from ganlab.data.packs.source import Arrays, Source
from ganlab.errors import UserError

CHUNK_BYTES = 8 * 2**20
CHUNK_RECORDS = 256
FEW_RECORDS = 2000  # read faster than processes start


class Chunk(NamedTuple):
    """Prepared records up to ``stop``: rows of all arrays, (name, reason) of unreadable ones, counts of rejections."""

    stop: int
    rows: dict[str, np.ndarray]
    skipped: list[tuple[str, str]]
    rejected: dict[str, int]


def arrays_of(source: Source, protocol: PictureProtocol) -> Arrays:
    """Return dtype and row shape of each array in a pack of ``source``."""
    return {name: ("uint8", protocol.shape) for name in source.pictures} | source.extras


def read_chunk(source: Source, protocol: PictureProtocol, start: int, stop: int) -> Chunk:
    """Read records ``start`` .. ``stop`` - 1."""
    arrays = arrays_of(source, protocol)
    columns = {name: [np.empty((0, *shape), dtype)] for name, (dtype, shape) in arrays.items()}
    skipped, rejected = [], Counter[str]()
    for index in range(start, stop):
        try:
            rows, refused = source.read_rows(index)
            prepared = [{name: protocol.prepare(row[name]) for name in source.pictures} for row in rows]
        except UnreadableImageError as error:
            skipped.append((error.name, error.reason))
            continue
        rejected.update(refused)
        for row, pictures in zip(rows, prepared, strict=True):
            for name, (dtype, _) in arrays.items():
                columns[name].append(pictures[name][None] if name in pictures else np.array(row[name], dtype)[None])
    return Chunk(stop, {name: np.concatenate(column) for name, column in columns.items()}, skipped, dict(rejected))


def chunks(source: Source, protocol: PictureProtocol, start: int, workers: int | None) -> Generator[Chunk, None, None]:
    """Yield chunks from record ``start`` to the end, in order; their boundaries depend on the protocol alone."""
    step = max(1, min(CHUNK_RECORDS, CHUNK_BYTES // row_bytes(arrays_of(source, protocol))))
    spans = [(first, min(first + step, len(source))) for first in range(start, len(source), step)]
    workers = min(cores() if workers is None else workers, len(spans))  # 0: this process alone reads
    if workers == 0 or source.in_memory or len(source) < FEW_RECORDS:
        yield from (read_chunk(source, protocol, *span) for span in spans)
        return
    # Spawned, not forked: a fork would copy the locks of this process's threads in any state.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), begin_work, (source, protocol))
    try:
        ahead = deque(pool.submit(work, *span) for span in spans[: 2 * workers])  # chunks that are read ahead
        for span in spans[2 * workers :]:
            yield ahead.popleft().result()
            ahead.append(pool.submit(work, *span))
        while ahead:
            yield ahead.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a process that reads pictures was killed, most likely out of memory: repeat the command with "
            f"data.workers={workers // 2} (now {workers}); it continues where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def row_bytes(arrays: Arrays) -> int:
    """Return the bytes of one row of all arrays."""
    return sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in arrays.values())


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin_work(source: Source, protocol: PictureProtocol) -> None:
    """Initialise a reader process, which keeps the source."""
    global _source, _protocol
    _source, _protocol = source, protocol
    depend_on_parent()


def depend_on_parent() -> None:
    """Initialise a process that ignores Ctrl-C and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow_parent, daemon=True).start()


def follow_parent() -> None:
    """End with the parent; after a SIGKILL of the parent the pool's queue would keep its processes waiting."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(start: int, stop: int) -> Chunk:
    """Read one chunk in a process initialised by ``begin_work``."""
    return read_chunk(_source, _protocol, start, stop)


_source: Source
_protocol: PictureProtocol
