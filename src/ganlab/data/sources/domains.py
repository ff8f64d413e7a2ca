"""Unpaired domains: pictures of A and pictures of B, from two folders or two classes of a labelled set."""

from functools import cached_property
from typing import Any

import numpy as np

from ganlab.data.packs.source import Record, Source
from ganlab.data.sources.folder import Folder
from ganlab.data.sources.translation_sets import name_of, place_of, two_folders
from ganlab.errors import UserError


class Domain(Folder):
    """All pictures of ``root``/trainA (or A/train, train/A, or A itself, for train), without labels.

    ``side`` is the name of the domain's folder: A, B, or a class in a tree of class folders, such as train/horse.
    """

    def __init__(self, *, root: str, split: str, set: str | None, side: str, download: bool) -> None:
        place = place_of(root, set, "domains", download)  # of a set of CycleGAN (Zhu et al. 2017); None: your own
        folders = two_folders(place, split, (side, side))
        folder = place / f"{split}{side}" if folders is None else folders[0]
        if folders is None and split == "train" and (place / side).is_dir():
            folder = place / side
        if not folder.is_dir():
            found = ", ".join(sorted(entry.name for entry in place.iterdir() if entry.is_dir())) or "no folder"
            raise UserError(
                f"{folder} is missing: domains lie in {split}A and {split}B, or are named by data.a and data.b; "
                f"{place} holds {found}: set data.root, data.split, data.a or data.b"
            )
        super().__init__(str(folder), labelled=False)
        self.name = f"domain-{name_of(place)}-{split}{side}"


class ClassDomain(Source):
    """All pictures of one class of a labelled source, without labels."""

    def __init__(self, source: Source, label: str) -> None:
        known = source.classes or []
        if str(label) not in known:
            more = ", ..." if len(known) > 20 else ""
            problem = f"{source.name} has no class {label}"
            raise UserError(f"{problem}: set data.a and data.b to two of {', '.join(known[:20])}{more}")
        self.source, self.label = source, known.index(str(label))
        self.name, self.in_memory = f"{source.name}-{label}", source.in_memory

    @cached_property
    def places(self) -> np.ndarray:
        """The numbers of the class's records."""
        labels = np.array([self.source.read(index)["labels"] for index in range(len(self.source))])
        return np.flatnonzero(labels == self.label)

    def __len__(self) -> int:
        return len(self.places)

    def fingerprint(self) -> dict[str, Any]:
        return {"of": self.source.fingerprint(), "label": self.label}

    def read(self, index: int) -> Record:
        return {"images": self.source.read(int(self.places[index]))["images"]}
