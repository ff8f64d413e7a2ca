"""ImageNet-1k's training pictures, read from the published tar file or from its folders."""

import io
import re
import tarfile
from bisect import bisect_right
from functools import cache, cached_property
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from ganlab.data.fetching.published import file_stamps
from ganlab.data.packs.pictures import PictureFile, UnreadableImageError
from ganlab.data.packs.source import Record, Source
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError

TRAIN_TAR = "ILSVRC2012_img_train.tar"
WNID = re.compile(r"n\d{8}")
BLOCK = tarfile.BLOCKSIZE


class ImageNet(Source):
    """1,281,167 photographs of 1,000 classes, or a subset of them, by WordNet number (Russakovsky et al. 2015)."""

    def __init__(self, root: str) -> None:
        place = Path(root).expanduser().absolute()
        tars = [path for path in (place, place / TRAIN_TAR) if path.is_file()]  # the file itself, or in its folder
        folders = [path for path in (place, place / "train") if any(path.glob("n" + 8 * "[0-9]"))]
        if tars:
            self.inside: Source = TarOfTars(tars[0])
        elif folders:
            self.inside = Folder(str(folders[0]))
            if self.inside.classes is None or not all(map(WNID.fullmatch, self.inside.classes)):
                raise UserError(f"{folders[0]} holds more than folders such as n01440764: move the rest away")
        else:
            raise UserError(
                f"{place} holds neither {TRAIN_TAR} nor folders such as n01440764: ImageNet has no public "
                f"download; sign in at https://image-net.org/download-images, accept the terms, fetch {TRAIN_TAR} "
                f"(148 GB) and put it, still packed, into {place}; or set data.root to its folder"
            )
        self.name, self.classes = "imagenet-train", self.inside.classes

    def __len__(self) -> int:
        return len(self.inside)

    def fingerprint(self) -> dict[str, Any]:
        return self.inside.fingerprint()

    def file_names(self) -> list[str] | None:
        return self.inside.file_names()

    def read(self, index: int) -> Record:
        return self.inside.read(index)


class TarOfTars(Source):
    """Pictures in an uncompressed tar file that holds one tar file per class, read in place."""

    name = "tar"

    def __init__(self, path: Path) -> None:
        self.path = path
        members = list(headers(path, 0, path.stat().st_size))
        self.spans = sorted((name, start, size) for name, start, size in members if name.endswith(".tar"))
        self.classes = [Path(name).stem for name, _, _ in self.spans]
        if not self.spans:
            raise UserError(f"{path} holds no tar file of a class: set data.root to {TRAIN_TAR} as it was published")

    @cached_property
    def places(self) -> list[np.ndarray]:
        """Offset of each picture's header, for each class; takes a million reads for ImageNet."""
        classes = tqdm(self.spans, desc=f"listing {self.path.name}", unit=" classes", disable=None)
        return [
            np.array([place - BLOCK for _, place, _ in headers(self.path, start, start + size)], np.int64)
            for _, start, size in classes
        ]

    @cached_property
    def ends(self) -> list[int]:
        return list(accumulate(map(len, self.places)))

    def __len__(self) -> int:
        return self.ends[-1]

    def fingerprint(self) -> dict[str, Any]:
        return file_stamps([self.path])

    def read(self, index: int) -> Record:
        label = bisect_right(self.ends, index)
        place = self.places[label][index - self.ends[label]]  # counted from the end of the class
        file = opened(self.path)
        file.seek(place)
        header = tarfile.TarInfo.frombuf(file.read(BLOCK), "utf-8", "surrogateescape")
        data = file.read(header.size)
        if len(data) < header.size:
            raise UnreadableImageError(header.name, "cut off")
        return {"images": PictureFile(io.BytesIO(data), header.name), "labels": label}

    def __getstate__(self) -> dict[str, Any]:
        _ = self.ends  # offsets are included, so that no other process lists them again
        return self.__dict__


@cache
def opened(path: Path) -> IO[bytes]:
    """Open a file once per process."""
    return path.open("rb")


def headers(path: Path, start: int, stop: int) -> list[tuple[str, int, int]]:
    """Return name, data offset and size of every file in the tar at ``start`` .. ``stop`` of a file."""
    file, found, place = opened(path), [], start
    try:
        while place + BLOCK <= stop:
            file.seek(place)
            block = file.read(BLOCK)
            if block == bytes(BLOCK):  # the end of a tar
                break
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if header.isreg():
                found.append((header.name, place + BLOCK, header.size))
            place += BLOCK + -(-header.size // BLOCK) * BLOCK
        else:
            if place != stop:
                raise UserError(f"{path} is cut off at byte {stop:,}: delete it and fetch it again")
    except tarfile.TarError as error:
        raise UserError(f"{path} is damaged at byte {place:,} ({error}): delete it and fetch it again") from error
    return found
