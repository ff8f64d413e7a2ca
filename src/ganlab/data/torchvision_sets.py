"""MNIST and CIFAR-10, fetched through torchvision where they are absent."""

import os
import shutil
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torchvision import datasets

from ganlab.data.lock import locked
from ganlab.data.source import Record, Source
from ganlab.errors import UserError

TIMEOUT = 30.0  # seconds without an answer


class TorchvisionSet(Source):
    """One split of a torchvision set in ``<root>/<folder>``, decoded in memory.

    Raises:
        UserError: it is absent and cannot be fetched, or it is there and damaged.
    """

    in_memory = True
    folder: ClassVar[str]
    mend: ClassVar[str]
    dataset: ClassVar[Callable[..., Any]]

    def __init__(self, root: str, split: str = "train") -> None:
        if split not in ("train", "test"):
            raise UserError(f"data.split={split} is not in {type(self).__name__}: take train or test")
        self.name = f"{type(self).__name__.lower()}-{split}"
        place = Path(root).expanduser().absolute()
        if not (place / self.folder).exists():
            self._fetch(place)
        try:
            loaded = self.dataset(place, train=split == "train")
        except Exception as error:  # whatever torchvision's parsers stumble on in a damaged file
            raise UserError(
                f"{place / self.folder} is incomplete or damaged ({last_line(error)}): delete this folder, and the "
                "next start fetches it again"
            ) from error
        self.images, self.labels = np.asarray(loaded.data), np.asarray(loaded.targets)

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> dict[str, Any]:
        """Checksum of the decoded pictures and labels."""
        crc = 0
        for array in (self.images, self.labels):
            crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
        return {"set": self.name, "count": len(self), "crc32": crc}

    def read(self, index: int) -> Record:
        """Return one picture in the set's own size and its class."""
        return {"images": self.images[index], "labels": self.labels[index]}

    def _fetch(self, place: Path) -> None:
        """Fetch beside the final place and rename: a killed download never looks like the set."""
        partial = place / f".{self.folder}.partial"
        try:
            with locked(place / f".{self.folder}.lock", f"fetches {self.folder}"):
                if (place / self.folder).exists():  # fetched by the process that we waited for
                    return
                shutil.rmtree(partial, ignore_errors=True)  # of a killed download
                try:
                    with patience(TIMEOUT):
                        self.dataset(partial, download=True)
                    os.replace(partial / self.folder, place / self.folder)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
        except (OSError, RuntimeError, HTTPException, EOFError) as error:
            raise UserError(
                f"{type(self).__name__} is not in {place} and could not be fetched ({last_line(error)}): get online "
                f"and repeat, or {self.mend} into this folder, or set data.root to where it lies"
            ) from error


class MNIST(TorchvisionSet):
    """60,000 + 10,000 grey handwritten digits, 28x28 (LeCun et al. 1998)."""

    folder = "MNIST"
    mend = f"unpack the four files of {datasets.MNIST.mirrors[0]} as MNIST/raw/*-ubyte"
    dataset = datasets.MNIST
    classes = [str(digit) for digit in range(10)]
    content = "digits"


class CIFAR10(TorchvisionSet):
    """50,000 + 10,000 colour photographs of ten classes, 32x32 (Krizhevsky 2009)."""

    folder = datasets.CIFAR10.base_folder
    mend = f"unpack {datasets.CIFAR10.url}"
    dataset = datasets.CIFAR10
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Give up on a silent server: torchvision itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def last_line(error: Exception) -> str:
    """Return the most telling line of a long message."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
