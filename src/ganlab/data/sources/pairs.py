"""Aligned pairs of pictures: inputs and targets."""

import os
import warnings
from typing import Any, Literal

from PIL import Image

from ganlab.arguments import checked
from ganlab.data.packs.pictures import FORMATS, PictureFile, UnreadableImageError, decode
from ganlab.data.packs.source import Record, Source
from ganlab.data.sources.folder import Folder
from ganlab.data.sources.translation_sets import name_of, place_of, two_folders
from ganlab.errors import UserError

MOST_STRETCH = 1.02  # largest ratio of the aspect ratios of a pair: sizes are rounded


@checked
class Pairs(Source):
    """Pairs A, B: pictures with A on the left and B on the right, or two folders with equal file names.

    The former are in ``root``/train, the latter in ``root``/trainA and trainB, A/train and B/train, or train/A and
    train/B; file name extensions may differ. ``set`` names a set published with pix2pix (Isola et al. 2017).
    """

    pictures = ("inputs", "targets")

    def __init__(
        self, *, root: str, split: str, set: str | None, direction: Literal["a_to_b", "b_to_a"], download: bool
    ) -> None:
        self.reverse = direction == "b_to_a"  # B is the input, A the target
        place = place_of(root, set, "pairs", download)  # of a set of pix2pix (Isola et al. 2017); None: your own
        folders = two_folders(place, split)
        if folders is None:
            if not (place / split).is_dir():
                held = ", ".join(sorted(entry.name for entry in place.iterdir() if entry.is_dir())) or "no folder"
                wanted = f"no {split} (A left, B right), nor {split}A and {split}B"
                raise UserError(f"{place} holds {held}, but {wanted}: set data.split or data.root")
            self.sides = [Folder(str(place / split), labelled=False)]
            self.files = [self.sides[0].files]
        else:
            for here, there in (folders, folders[::-1]):
                if not here.is_dir():
                    raise UserError(f"{here} is missing, {there} exists: a pair needs both")
            self.sides = [Folder(str(folder), labelled=False) for folder in folders]
            self.files = partners(*self.sides)
        self.name = f"pairs-{name_of(place)}-{split}"

    def __len__(self) -> int:
        return len(self.files[0])

    def fingerprint(self) -> dict[str, Any]:
        return {"sides": [side.fingerprint() for side in self.sides], "reverse": self.reverse}

    def file_names(self) -> list[str] | None:
        return self.files[0]

    def read(self, index: int) -> Record:
        """Return one pair; ``UnreadableImageError`` if its pictures cannot show the same view."""
        paths = [files[index] for files in self.files]
        pair: list[Any] = [PictureFile(side.root / path, path) for side, path in zip(self.sides, paths, strict=True)]
        if len(pair) == 1:
            both, name = decode(pair[0]), paths[0]  # always exactly, also with data.decode=fast
            if both.width % 2:
                raise UnreadableImageError(name, f"{both.width} pixels wide: not two pictures of one size side by side")
            middle = both.width // 2
            pair = [both.crop((0, 0, middle, both.height)), both.crop((middle, 0, both.width, both.height))]
        else:
            require_alike(*pair)
        first, second = reversed(pair) if self.reverse else pair
        return {"inputs": first, "targets": second}


def require_alike(first: PictureFile, second: PictureFile) -> None:
    """Raise ``UnreadableImageError`` if the aspect ratios of two pictures differ."""
    for size in (header_size, lambda file: decode(file).size):  # the former is fast, the latter upright
        (width, height), (other_width, other_height) = size(first), size(second)
        stretch = width * other_height / (height * other_width)
        if 1 / MOST_STRETCH <= stretch <= MOST_STRETCH:
            return
    sizes = f"{width}x{height}, but its partner {second.name} of {other_width}x{other_height}"
    raise UnreadableImageError(first.name, f"of {sizes} pixels: they cannot show the same view")


def header_size(file: PictureFile) -> tuple[int, int]:
    """Return width and height from the header of a picture file, without decoding."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file.file, formats=FORMATS) as picture:
                return picture.size
    except Exception:  # reported by decode()
        return decode(file).size


def partners(first: Folder, second: Folder) -> list[list[str]]:
    """Return both folders' files, matched by paths without extensions; ``UserError`` if one has no partner."""
    stems = []
    for folder in (first, second):
        named: dict[str, str] = {}
        for path in folder.files:
            if (same := named.setdefault(os.path.splitext(path)[0], path)) != path:
                raise UserError(f"{folder.root} holds both {same} and {path}: remove one, names must be pairs")
        stems.append(named)
    for here, own, there, other in ((first, stems[0], second, stems[1]), (second, stems[1], first, stems[0])):
        if alone := [path for stem, path in own.items() if stem not in other]:
            more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
            raise UserError(
                f"{here.root / alone[0]}{more} of {len(own)} have no partner of the same name in {there.root}: "
                "add what is missing, or remove them"
            )
    return [list(stems[0].values()), [stems[1][stem] for stem in stems[0]]]
