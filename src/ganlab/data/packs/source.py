"""What every source of pictures offers to the pack builder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from ganlab.errors import UserError

HELD_OUT = ("test", "val", "valid", "validation")  # names of splits, in the order in which they are looked for
Record = Mapping[str, Any]
Arrays = dict[str, tuple[str, tuple[int, ...]]]


class NoSuchSplitError(UserError):
    """The data have no split of that name."""


class RecordRows(NamedTuple):
    """What one record of a source gave: rows for the pack, and why parts of it were turned down."""

    rows: list[Record]
    rejected: list[str]


class Source(ABC):
    """Numbered records that can be read in any order and from any process.

    A source is picklable. Its constructor raises ``UserError`` where data are missing, with what to fetch and which
    key to set.

    Attributes:
        name: the beginning of the pack folder's name.
        classes: names of the labels 0, 1, ...; None where pictures carry no single label.
        content: what every picture shows, where a classifier may judge it (``"digits"``).
        in_memory: whether pictures lie decoded in memory, so that sending them to other processes costs more than it
            saves.
        pictures: the entries of a record that are pictures, each an array of the pack.
    """

    name: str
    classes: list[str] | None = None
    content: str | None = None
    in_memory: bool = False
    pictures: tuple[str, ...] = ("images",)

    @property
    def extras(self) -> Arrays:
        """The other entries of a record: dtype and shape of a row of each."""
        return {} if self.classes is None else {"labels": ("int64", ())}

    def notes(self) -> dict[str, Any]:
        """JSON-able facts that belong in the pack's manifest, such as the names of attributes.

        Some tell a classifier what it can learn: ``labels`` the values of every label by name, ``modes`` those of them
        whose combinations are worth counting, ``channels`` the values of what each channel shows by itself, where the
        label is the number with these digits.
        """
        return {}

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """JSON-able facts that change whenever the records change; cheap, without decoding."""

    @abstractmethod
    def read(self, index: int) -> Record:
        """Return one record, or raise ``UnreadableImageError``.

        Pictures are `PictureFile`s, Pillow images of mode L or RGB, or uint8 arrays (H, W[, C]).
        """

    def read_rows(self, index: int) -> RecordRows:
        """Return the rows that a record gives: one, unless a source finds several or none in a picture."""
        return RecordRows([self.read(index)], [])


class Subset(Source):
    """``count`` records of a source, evenly spaced over it."""

    def __init__(self, source: Source, count: int) -> None:
        self.source, self.count = source, min(count, len(source))
        self.name, self.classes, self.content = f"{source.name}-{count}", source.classes, source.content
        self.in_memory, self.pictures = source.in_memory, source.pictures

    @property
    def extras(self) -> Arrays:
        """Those of the whole source."""
        return self.source.extras

    def notes(self) -> dict[str, Any]:
        """Those of the whole source."""
        return self.source.notes()

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> dict[str, Any]:
        """That of the whole source, and the count."""
        return {"of": self.source.fingerprint(), "count": self.count}

    def read(self, index: int) -> Record:
        """Return a record of the whole source."""
        return self.source.read(index * len(self.source) // self.count)

    def read_rows(self, index: int) -> RecordRows:
        """Return the rows of a record of the whole source."""
        return self.source.read_rows(index * len(self.source) // self.count)
