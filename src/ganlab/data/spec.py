"""What a data configuration describes: a source, and how its pack is made."""

from dataclasses import dataclass
from pathlib import Path

from ganlab.data.deduplication.deduplicate import deduplicate, deduplicated_folder, refuse_many
from ganlab.data.deduplication.hashing import Hashing
from ganlab.data.packs.pack import Pack, build, open_complete, pack_name
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.source import Source


@dataclass(frozen=True)
class PackSpec:
    """Arguments of `ganlab.data.packs.pack.build`, and of `deduplicate` unless ``hashing`` is None."""

    source: Source
    protocol: PictureProtocol
    packs: Path
    max_broken: float
    workers: int | None
    hashing: Hashing | None = None
    max_dropped: float = 1.0

    @property
    def folder(self) -> Path:
        folder = self.packs / pack_name(self.source, self.protocol)
        return folder if self.hashing is None else deduplicated_folder(folder, self.hashing)

    def make(self) -> Pack:
        if self.hashing is not None and (made := open_complete(self.folder)) is not None:
            refuse_many(made.manifest["deduplication"], self.max_dropped, made.folder)
            return made  # the pack with duplicates may have been deleted since
        pack = build(self.source, self.protocol, self.packs, max_broken=self.max_broken, workers=self.workers)
        return pack if self.hashing is None else deduplicate(pack, self.hashing, max_dropped=self.max_dropped)
