"""Bases of published data sets: a few files, present or fetched, decoded when a pack is made."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ganlab.data.fetching.download import fetch_archive
from ganlab.data.packs.source import NoSuchSplitError, NotFetchedError, Record, Source
from ganlab.errors import UserError


class Decoded(NamedTuple):
    """Pictures, uint8 (N, H, W[, C]), and their classes, integers (N,), if they have classes."""

    images: np.ndarray
    labels: np.ndarray | None


class PublishedSet(Source):
    """One split of a data set published as a few files; the constructor finds them, or fetches them to ``root``."""

    in_memory = True  # all pictures are decoded at once when a pack is made
    option: ClassVar[str]  # its name in data=NAME
    splits: ClassVar[Sequence[str]] = ("train", "test")
    own: ClassVar[Sequence[str]] = ()  # keys of its configuration that other sets do not have
    by_hand: ClassVar[str]  # how to get the files without a download

    def __init__(self, root: str, split: str, download: bool) -> None:
        if split not in self.splits:
            raise NoSuchSplitError(f"data.split={split} is not in {self.option}: take one of {', '.join(self.splits)}")
        self.root = Path(root).expanduser().absolute()
        self.split = split
        self.name = f"{self.option}-{split.replace('+', '-and-')}"
        if self.missing() and download:
            self.fetch()
        if missing := self.missing():
            if download:  # existing files were taken for the complete set
                raise UserError(
                    f"{missing[0]} is missing, the rest is there: delete {missing[0].parent} and repeat, which fetches "
                    f"it again, or {self.by_hand} into {self.root}"
                )
            otherwise = f"or {self.by_hand} into {self.root}, or set data.root to its folder"
            values = {key: getattr(self, key) for key in ("split", *self.own)}
            raise NotFetchedError(f"{missing[0]} is missing", otherwise, self.option, **values, root=root)

    @property
    @abstractmethod
    def files(self) -> list[Path]:
        """Files of this split."""

    @abstractmethod
    def fetch(self) -> None: ...

    @abstractmethod
    def decode(self) -> Decoded: ...

    def missing(self) -> list[Path]:
        return [path for path in self.files if not path.is_file()]

    def __len__(self) -> int:
        return len(self.decoded.images)

    def fingerprint(self) -> dict[str, Any]:
        return {"set": self.name, "files": file_stamps(self.files)}

    def read(self, index: int) -> Record:
        images, labels = self.decoded
        return {"images": images[index]} | ({} if labels is None else {"labels": labels[index]})

    @cached_property
    def decoded(self) -> Decoded:
        """All pictures and labels; ``UserError`` if files are damaged."""
        try:
            return self.decode()
        except (MemoryError, UserError):
            raise
        except Exception as error:  # parsers raise many types on a damaged file
            places = ", ".join(sorted({str(path.parent) for path in self.files}))
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise UserError(
                f"{self.option} in {places} is incomplete or damaged ({reason}): delete its files there "
                f"({', '.join(path.name for path in self.files[:3])} ...), and the next start fetches them again, or "
                f"{self.by_hand}"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the pictures: another process decodes them itself."""
        return {name: value for name, value in self.__dict__.items() if name != "decoded"}


class ArchiveSet(PublishedSet):
    """A published set whose torchvision class reads the folder of one archive."""

    dataset: ClassVar[Any]  # its class in torchvision.datasets

    @property
    def folder(self) -> Path:
        return self.root / self.dataset.base_folder

    @property
    def files(self) -> list[Path]:
        names = [name for name, _ in [*self.dataset.train_list, *self.dataset.test_list]]
        return [self.folder / name for name in names]  # of all splits, which torchvision checks

    def fetch(self) -> None:
        fetch_archive(self.dataset.url, self.root, expected=self.folder, md5=self.dataset.tgz_md5)


def file_stamps(files: Sequence[Path]) -> dict[str, list[int]]:
    """Return size in bytes and modification time in ns of files, by name."""
    return {path.name: [(facts := path.stat()).st_size, facts.st_mtime_ns] for path in files}
