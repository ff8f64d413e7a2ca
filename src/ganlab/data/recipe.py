"""What a data configuration asks for: a source, and how its pack is made."""

from dataclasses import dataclass
from pathlib import Path

from ganlab.data.pack import Pack, build
from ganlab.data.pictures import PictureProtocol
from ganlab.data.source import Source


@dataclass(frozen=True)
class Recipe:
    """All that the pack of one source depends on, and where it goes; see `ganlab.data.pack.build`.

    Attributes:
        source: where the pictures come from.
        protocol: how each becomes an array.
        packs: folder of all packs.
        max_broken: share of pictures that may be unreadable (0..1).
        workers: processes that make the pack; None: one a core, 0: none but this.
    """

    source: Source
    protocol: PictureProtocol
    packs: Path
    max_broken: float
    workers: int | None

    def make(self) -> Pack:
        """Open the pack, made first where there is none; ``UserError`` where that fails."""
        return build(self.source, self.protocol, self.packs, max_broken=self.max_broken, workers=self.workers)
