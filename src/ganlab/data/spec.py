"""What a data configuration asks for: a source, and how its pack is made."""

from dataclasses import dataclass
from pathlib import Path

from ganlab.data.deduplication.deduplicate import deduplicate, deduplicated_folder, require_few
from ganlab.data.deduplication.hashing import Hashing
from ganlab.data.packs.pack import Pack, build, pack_name, whole
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.source import Source


@dataclass(frozen=True)
class PackSpec:
    """All that the pack of one source depends on, and where it goes; see `ganlab.data.packs.pack.build`.

    Attributes:
        source: where the pictures come from.
        protocol: how each becomes an array.
        packs: folder of all packs.
        max_broken: share of pictures that may be unreadable (0..1).
        workers: processes that make the pack; None: one a core, 0: none but this.
        hashing: how near duplicates are found, which are then dropped; None: they stay.
        max_dropped: share of pictures that may be dropped (0..1).
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
        """Where the pack lies once it is made."""
        folder = self.packs / pack_name(self.source, self.protocol)
        return folder if self.hashing is None else deduplicated_folder(folder, self.hashing)

    def make(self) -> Pack:
        """Open the pack, made first where there is none; ``UserError`` where that fails."""
        if self.hashing is not None and (made := whole(self.folder)) is not None:
            require_few(made, self.max_dropped)
            return made  # that with duplicates may have been deleted since
        pack = build(self.source, self.protocol, self.packs, max_broken=self.max_broken, workers=self.workers)
        return pack if self.hashing is None else deduplicate(pack, self.hashing, max_dropped=self.max_dropped)
