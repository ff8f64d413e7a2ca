"""Drops near duplicates from a pack (DCGAN paper, sec. 4.1): the first picture of each hash code is kept."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from tqdm import tqdm

from ganlab.arguments import Share, checked
from ganlab.data.deduplication.duplicates import Duplicates
from ganlab.data.deduplication.hashing import BITS, AutoEncoder, Hashing, ReadPictures, fit, standardized, thumbnails
from ganlab.data.packs.pack import Pack, bar_style, open_or_write
from ganlab.data.packs.record_reader import Chunk, row_bytes
from ganlab.data.packs.writer import PackWriter
from ganlab.errors import UserError
from ganlab.files import atomic_write, require_space, write_text_atomically

log = logging.getLogger(__name__)

FORMAT = 1  # part of every key
BLOCK = 1024  # pictures hashed or copied at a time


def deduplicated_folder(folder: Path, hashing: Hashing) -> Path:
    """Return the folder of the de-duplicated pack, next to the full pack ``folder``."""
    name, _ = folder.name.rsplit("-", 1)
    facts = json.dumps([FORMAT, folder.name, hashing.record()], sort_keys=True)
    return folder.with_name(f"{name}-deduplicated-{hashlib.sha256(facts.encode()).hexdigest()[:12]}")


@checked
def deduplicate(pack: Pack, hashing: Hashing, *, max_dropped: Share) -> Pack:
    """Open the pack without near duplicates, made if missing; ``UserError`` if it drops over ``max_dropped``, 0..1."""
    folder = deduplicated_folder(pack.folder, hashing)
    made = open_or_write(folder, lambda: write(pack, hashing, folder, max_dropped))
    refuse_many(made.manifest["deduplication"], max_dropped, made.folder)  # an untrained hash drops nearly all
    return made


def write(pack: Pack, hashing: Hashing, folder: Path, max_dropped: float) -> None:
    """Write the pack, or continue writing it to the same bytes, and rename it to ``folder`` when it is complete."""
    count = len(pack)
    arrays = {name: (facts["dtype"], tuple(facts["shape"][1:])) for name, facts in pack.manifest["arrays"].items()}
    with closing(PackWriter(folder, arrays)) as writer:
        require_space((count - writer.progress.next) * row_bytes(arrays), folder.parent)
        read = partial(rows, pack.folder / f"{'images' if 'images' in arrays else 'targets'}.npy")
        weights, codes = writer.partial / "autoencoder.npy", writer.partial / "codes.bin"
        network = load_or_fit(weights, read, count, hashing)
        duplicates = Duplicates.of(compute_codes(codes, network, read, count))
        far = duplicates.differences(read)
        facts = duplicates.report(far)
        write_text_atomically(writer.partial / "duplicates.json", json.dumps(facts, indent=1))  # lists dropped rows
        duplicates.draw(read, far, writer.partial / "duplicates.png")  # a sample of them
        summary = {"of": pack.folder.name, "settings": hashing.record()} | facts["summary"]
        refuse_many(summary, max_dropped, writer.partial)
        copy(pack, duplicates.kept, writer)
        for path in (weights, codes):
            path.unlink()
        inherited = {name: fact for name, fact in pack.manifest.items() if name not in ("count", "arrays", "names")}
        writer.finish(inherited | {"key": folder.name.rsplit("-", 1)[1], "deduplication": summary})
    sheet = folder / "duplicates.png"
    log.warning("%d of %d pictures are near duplicates and dropped: look at %s", duplicates.dropped, count, sheet)


def load_or_fit(path: Path, read: ReadPictures, count: int, hashing: Hashing) -> AutoEncoder:
    """Load the auto-encoder from ``path``, or train and save it."""
    with suppress(OSError, ValueError, EOFError, RuntimeError):  # missing or damaged: trained again
        network = AutoEncoder(torch.Generator())
        vector_to_parameters(torch.from_numpy(np.load(path)), network.parameters())
        return network
    network = fit(read, count, hashing, partial(bar, "learning to hash", hashing.images, hashing.batch_size))
    with atomic_write(path) as file:
        np.save(file, parameters_to_vector(network.parameters()).detach().numpy())
    return network


def compute_codes(path: Path, network: AutoEncoder, read: ReadPictures, count: int) -> np.ndarray:
    """Return the codes of all pictures, uint8 (``count``, 16); those in ``path`` are not computed again."""
    width = BITS // 8
    with path.open("ab") as file:
        done = file.tell() // (BLOCK * width) * BLOCK  # a kill may have cut the last block
        file.truncate(done * width)
        for start in bar("hashing", count, BLOCK, range(done, count, BLOCK)):
            block = np.arange(start, min(start + BLOCK, count))
            file.write(network.codes(standardized(thumbnails(read(block)))).tobytes())
            file.flush()
            os.fsync(file.fileno())
    return np.fromfile(path, np.uint8).reshape(count, width)


def copy(pack: Pack, kept: np.ndarray, writer: PackWriter) -> None:
    """Append the rows of all arrays where the mask ``kept`` is True, from where ``writer`` stopped."""
    count = len(pack)
    for start in bar("copying", count, BLOCK, range(writer.progress.next, count, BLOCK)):
        stop = min(start + BLOCK, count)
        block = start + np.flatnonzero(kept[start:stop])
        copied = {name: rows(pack.folder / f"{name}.npy", block) for name in writer.arrays}
        writer.append(Chunk(stop, copied, [], {}))


def rows(path: Path, indices: np.ndarray) -> np.ndarray:
    """Read rows of an array file; it is mapped for this call only, as mapped pages count as memory."""
    return np.asarray(np.load(path, mmap_mode="r"))[indices]


def bar(text: str, total: int, step: int, steps: Sequence[int]) -> Iterator[int]:
    """Yield ``steps`` of ``step`` pictures each with a progress bar of ``total`` pictures."""
    with tqdm(desc=text, total=total, initial=max(0, total - len(steps) * step), **bar_style(total)) as shown:
        for each in steps:
            yield each
            shown.update(min(step, total - shown.n))


def refuse_many(facts: dict[str, Any], max_dropped: float, folder: Path) -> None:
    """Raise ``UserError`` if more than the share ``max_dropped`` of a pack is dropped; ``facts`` are its manifest's."""
    dropped, count = facts["dropped"], facts["count"]
    if dropped > max_dropped * count:
        raise UserError(
            f"{dropped} of {count} pictures have the code of an earlier one, more than data.max_dropped={max_dropped} "
            f"allows: if those in {folder / 'duplicates.png'} are equal, set data.max_dropped=1; if not, train the "
            f"hash longer with a larger data.deduplication.images (now {facts['settings']['images']})"
        )
