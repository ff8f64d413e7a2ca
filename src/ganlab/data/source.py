"""What every source of pictures offers to the pack builder."""

from typing import Any, Protocol

from PIL import Image


class Source(Protocol):
    """Numbered pictures, with or without labels, that can be read in any order and from any process.

    A source is picklable. Its constructor raises ``UserError`` where data are missing, with what to fetch and which
    key to set. ``in_memory`` sources hold their pictures decoded, so that sending them to other processes costs more
    than it saves. ``content`` names what every picture shows where a classifier may judge it (``"digits"``), else None.
    """

    @property
    def name(self) -> str:
        """The beginning of the pack folder's name."""

    @property
    def classes(self) -> list[str] | None:
        """Names of the labels 0, 1, ...; None where pictures carry no label."""

    @property
    def content(self) -> str | None:
        """What every picture shows."""

    @property
    def in_memory(self) -> bool:
        """Whether pictures lie decoded in memory."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> dict[str, Any]:
        """JSON-able facts that change whenever the pictures change; cheap, without decoding."""

    def read(self, index: int) -> tuple[Image.Image, int | None]:
        """Return picture ``index`` in mode L or RGB with its label, or raise ``UnreadableImageError``."""
