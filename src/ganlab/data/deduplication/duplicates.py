"""Pictures with equal hash codes: groups, their differences, and a sheet to inspect."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganlab.data.deduplication.hashing import ReadPictures, equal_codes, thumbnails
from ganlab.files import atomic_write

COMMON = 16  # pictures of one code that are reported
IDLE = 0.005  # a bit is idle if fewer than this share of pictures differ in it
COMPARED = 256  # pictures compared at a time
QUANTILES = {"median": 0.5, "90%": 0.9, "99%": 0.99, "largest": 1.0}
# The sheet: columns of groups, each group a row of pictures; sizes in pixels.
GROUPS, COLUMNS, PICTURES = 48, 2, 5
CELL, GAP, MARGIN = 64, 2, 12


@dataclass(frozen=True)
class Duplicates:
    """Codes of all records, uint8 (N, 16), and for each shared code its records: the first is kept."""

    codes: np.ndarray
    groups: list[np.ndarray]

    @classmethod
    def of(cls, codes: np.ndarray) -> "Duplicates":
        """Find the records of equal codes, in linear time."""
        order, starts = equal_codes(codes)
        ends = np.append(starts[1:], len(order))
        shared = np.flatnonzero(ends - starts > 1)
        groups = [order[starts[place] : ends[place]] for place in shared]
        return cls(codes, sorted(groups, key=lambda group: int(group[0])))

    @cached_property
    def kept(self) -> np.ndarray:
        """Whether a record is the first of its code, bool (N,)."""
        kept = np.ones(len(self.codes), bool)
        for group in self.groups:
            kept[group[1:]] = False
        return kept

    @property
    def dropped(self) -> int:
        return int(len(self.codes) - self.kept.sum())

    def differences(self, read: ReadPictures) -> list[np.ndarray]:
        """Return for each group the RMS differences of dropped thumbnails from the kept one, in grey levels."""
        if not self.groups:
            return []
        sizes = [len(group) - 1 for group in self.groups]
        dropped = np.concatenate([group[1:] for group in self.groups])
        kept = np.repeat([group[0] for group in self.groups], sizes)
        far = np.empty(len(dropped))
        for start in range(0, len(dropped), COMPARED):
            block = slice(start, start + COMPARED)
            pairs = thumbnails(read(dropped[block])) - thumbnails(read(kept[block]))
            far[block] = pairs.square().mean(1).sqrt().numpy()
        return np.split(far, np.cumsum(sizes)[:-1])

    def report(self, far: list[np.ndarray]) -> dict[str, Any]:
        """Return JSON-able facts; ``far`` are the `differences`, and idle bits are equal in nearly all pictures."""
        count, sizes = len(self.codes), Counter(len(group) for group in self.groups)
        on = sum(np.unpackbits(part, axis=1).sum(0, dtype=np.int64) for part in np.array_split(self.codes, 64))
        common = sorted((group for group in self.groups if len(group) >= COMMON), key=len, reverse=True)
        flat = np.concatenate([[0.0], *far])[1 if far else 0 :]
        return {
            "summary": {
                "count": count,
                "dropped": self.dropped,
                "groups": len(self.groups),
                "group_sizes": {str(size): sizes[size] for size in sorted(sizes)},
                "differences": {name: round(float(np.quantile(flat, share)), 2) for name, share in QUANTILES.items()},
                "idle_bits": int(np.count_nonzero(np.minimum(on, count - on) < IDLE * count)),
            },
            "common_codes": [
                {"code": self.codes[group[0]].tobytes().hex(), "pictures": len(group), "kept": int(group[0])}
                for group in common
            ],
            "groups": [group.tolist() for group in self.groups],
        }

    def draw(self, read: ReadPictures, far: list[np.ndarray], path: Path) -> None:
        """Write a PNG of groups, those that differ most first: the kept picture, a gap, and up to four dropped ones."""
        ranked = sorted(range(len(self.groups)), key=lambda number: -far[number].max())
        shown = [ranked[place * len(ranked) // GROUPS] for place in range(GROUPS)] if len(ranked) > GROUPS else ranked
        lines = max(1, -(-len(shown) // COLUMNS))
        width = PICTURES * (CELL + GAP) + 2 * MARGIN
        sheet = Image.new("RGB", (COLUMNS * width, lines * (CELL + GAP) + GAP), "white")
        for place, number in enumerate(shown):
            group = self.groups[number]
            ordered = group[1:][np.argsort(-far[number], kind="stable")]
            column, line = divmod(place, lines)
            for position, pixels in enumerate(read(np.array([group[0], *ordered[: PICTURES - 1]]))):
                picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
                cell = picture.resize((CELL, CELL), Image.Resampling.BOX)
                left = column * width + position * (CELL + GAP) + (MARGIN if position else 0)
                sheet.paste(cell, (left, line * (CELL + GAP) + GAP))
        with atomic_write(path) as file:
            sheet.save(file, format="PNG")
