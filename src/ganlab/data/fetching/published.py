"""What the published sets of small pictures share: files that are there or fetched, decoded when a pack is made."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ganlab.data.packs.source import NoSuchSplitError, Record, Source
from ganlab.errors import UserError


class Decoded(NamedTuple):
    """Pictures, uint8 (N,H,W[,C]), and their classes, integers (N,); None where there are none."""

    images: np.ndarray
    labels: np.ndarray | None


class PublishedSet(Source):
    """One split of a set that its publisher offers as a few files.

    Only the existence of the files is checked at first; the pictures are decoded, all at once, when a pack is made.

    Args:
        root: folder that the set lies, or is fetched, in.
        split: one of ``splits``.
        download: whether files that are missing are fetched.

    Raises:
        UserError: there is no such split; or files are missing, and not to be fetched or not to be had.
    """

    in_memory = True
    option: ClassVar[str]  # its name behind data=
    splits: ClassVar[Sequence[str]] = ("train", "test")
    mend: ClassVar[str]  # what to do by hand

    def __init__(self, root: str, split: str, download: bool) -> None:
        if split not in self.splits:
            raise NoSuchSplitError(f"data.split={split} is not in {self.option}: take one of {', '.join(self.splits)}")
        self.root = Path(root).expanduser().absolute()
        self.split = split
        self.name = f"{self.option}-{split.replace('+', '-and-')}"
        if self.missing() and download:
            self.fetch()
        if missing := self.missing():
            if download:  # what is there was taken for the whole set
                raise UserError(
                    f"{missing[0]} is missing, the rest is there: delete {missing[0].parent} and repeat, which fetches "
                    f"it again, or {self.mend} into {self.root}"
                )
            raise UserError(
                f"{missing[0]} is missing: type `python src/prepare.py data={self.option} data.split={split} "
                f"data.root={root}` to fetch it, or {self.mend} into {self.root}, or set data.root to where it lies"
            )

    @property
    @abstractmethod
    def files(self) -> list[Path]:
        """The files that this split needs."""

    @abstractmethod
    def fetch(self) -> None:
        """Fetch the files; whatever lies there already stays."""

    @abstractmethod
    def decode(self) -> Decoded:
        """Read the files."""

    def missing(self) -> list[Path]:
        """List the files that are not there."""
        return [path for path in self.files if not path.is_file()]

    def __len__(self) -> int:
        return len(self.decoded.images)

    def fingerprint(self) -> dict[str, Any]:
        """Name, bytes and time of change of every file."""
        return {"set": self.name, "files": stamps(self.files)}

    def read(self, index: int) -> Record:
        """Return one picture in the set's own size, and its class where it has one."""
        images, labels = self.decoded
        return {"images": images[index]} | ({} if labels is None else {"labels": labels[index]})

    @cached_property
    def decoded(self) -> Decoded:
        """All pictures and labels; ``UserError`` where the files are damaged."""
        try:
            return self.decode()
        except (MemoryError, UserError):
            raise
        except Exception as error:  # whatever the parsers stumble on in a damaged file
            places = ", ".join(sorted({str(path.parent) for path in self.files}))
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise UserError(
                f"{self.option} in {places} is incomplete or damaged ({reason}): delete its files there "
                f"({', '.join(path.name for path in self.files[:3])} ...), and the next start fetches them again, or "
                f"{self.mend}"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Leave the pictures behind: another process decodes them itself."""
        return {name: value for name, value in self.__dict__.items() if name != "decoded"}


def stamps(files: Sequence[Path]) -> dict[str, list[int]]:
    """Return bytes and time of change (ns) of files, by name."""
    return {path.name: [(facts := path.stat()).st_size, facts.st_mtime_ns] for path in files}
