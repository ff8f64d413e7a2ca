"""What a data configuration describes: a source, and how its pack is made."""

from dataclasses import dataclass
from pathlib import Path

from ganlab.data.deduplication.deduplicate import deduplicate, deduplicated_folder, require_few
from ganlab.data.deduplication.hashing import Hashing
from ganlab.data.packs.pack import Pack, build, open_complete, pack_name
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.source import Source


@dataclass(frozen=True)
class PackSpec:
    """Everything that determines the pack of one source, and its place; see `ganlab.data.packs.pack.build`.

    Attributes:
        source: source of the pictures.
        protocol: how each becomes an array.
        packs: folder of all packs.
        max_broken: largest share of unreadable pictures, 0..1.
        workers: processes that read; None: one per core, 0: this process alone.
        hashing: how near duplicates are found and dropped; None: they are kept.
        max_dropped: largest share of dropped pictures, 0..1.
    """

    source: Source
    protocol: PictureProtocol
    packs: Path
    max_broken: float
    workers: int | None
    hashing: Hashing | None = None
    max_dropped: float = 1.0

    @property
    def folder(self) -> Path:
        """The folder of the finished pack."""
        folder = self.packs / pack_name(self.source, self.protocol)
        return folder if self.hashing is None else deduplicated_folder(folder, self.hashing)

    def make(self) -> Pack:
        """Open the pack, built if missing; ``UserError`` if that fails."""
        if self.hashing is not None and (made := open_complete(self.folder)) is not None:
            require_few(made, self.max_dropped)
            return made  # the pack with duplicates may have been deleted since
        pack = build(self.source, self.protocol, self.packs, max_broken=self.max_broken, workers=self.workers)
        return pack if self.hashing is None else deduplicate(pack, self.hashing, max_dropped=self.max_dropped)
