"""Base class of picture sources, from which packs are built."""

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from ganlab.arguments import checked
from ganlab.errors import UserError

HELD_OUT = ("test", "val", "valid", "validation")  # splits in the order in which they are searched
Record = Mapping[str, Any]
Arrays = dict[str, tuple[str, tuple[int, ...]]]


class NoSuchSplitError(UserError):
    """The data have no split of this name."""


class NotFetchedError(UserError):
    """Files are missing that ``prepare.py`` fetches for the set ``name`` with ``values`` of its keys."""

    def __init__(self, problem: str, otherwise: str, name: str, **values: Any) -> None:
        lists = {key: f"[{','.join(value)}]" for key, value in values.items() if isinstance(value, list)}
        self.problem, self.otherwise = problem, otherwise
        self.arguments = {"data": name} | {f"data.{key}": str(value) for key, value in (values | lists).items()}
        typed = [f"{key}={value}" for key, value in self.arguments.items()]
        super().__init__(self.message(shlex.join(["python", "src/prepare.py", *typed])))

    def message(self, command: str) -> str:
        """Return the message with this command."""
        return f"{self.problem}: type `{command}` to fetch it, {self.otherwise}"


class RecordRows(NamedTuple):
    """The rows of a pack that one record gives, and the reasons for rejected parts."""

    rows: list[Record]
    rejected: list[str]


class Source(ABC):
    """Numbered records, read in any order and process (picklable); ``UserError`` with the fix if data are missing."""

    name: str  # the beginning of the pack folder's name
    classes: list[str] | None = None  # names of the labels 0, 1, ...; None if pictures have no single label
    content: str | None = None  # what all pictures show, if a classifier for it exists ("digits")
    in_memory: bool = False  # whether pictures are decoded in memory: other processes would not pack them faster
    pictures: tuple[str, ...] = ("images",)  # entries of a record that are pictures, each an array of the pack

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            checked(cls)

    @property
    def extras(self) -> Arrays:
        """Dtype and row shape of a record's other entries."""
        return {} if self.classes is None else {"labels": ("int64", ())}

    def notes(self) -> dict[str, Any]:
        """Return JSON-able facts for the pack's manifest, such as the names of attributes.

        Classifiers use some: ``labels`` are the values of every label by name, ``modes`` the labels whose combinations
        are counted, ``channels`` the values of each channel's own label; the label's digits are then the channels'.
        """
        return {}

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Return JSON-able facts that change with the records, without decoding them."""

    def file_names(self) -> list[str] | None:
        """Return the name of each record's file, which says what changed between two packs; None without files."""
        return None

    @abstractmethod
    def read(self, index: int) -> Record:
        """Return one record, or raise ``UnreadableImageError``.

        Pictures are `PictureFile`s, Pillow images of mode L or RGB, or uint8 arrays (H, W[, C]).
        """

    def read_rows(self, index: int) -> RecordRows:
        """Return the rows of a record: one, unless a source finds several or none in a picture."""
        return RecordRows([self.read(index)], [])


class Subset(Source):
    """``count`` records of a source, evenly spaced over it."""

    def __init__(self, source: Source, count: int) -> None:
        self.source, self.count = source, min(count, len(source))
        self.name, self.classes, self.content = f"{source.name}-{count}", source.classes, source.content
        self.in_memory, self.pictures = source.in_memory, source.pictures

    @property
    def extras(self) -> Arrays:
        return self.source.extras

    def notes(self) -> dict[str, Any]:
        return self.source.notes()

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> dict[str, Any]:
        return {"of": self.source.fingerprint(), "count": self.count}

    def file_names(self) -> list[str] | None:
        names = self.source.file_names()
        return names and [names[self._place(index)] for index in range(self.count)]

    def read(self, index: int) -> Record:
        return self.source.read(self._place(index))

    def read_rows(self, index: int) -> RecordRows:
        return self.source.read_rows(self._place(index))

    def _place(self, index: int) -> int:
        return index * len(self.source) // self.count
