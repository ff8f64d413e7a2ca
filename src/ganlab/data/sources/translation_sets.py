"""Folders of image-to-image translation sets: your own, and those published with pix2pix and CycleGAN."""

import re
from pathlib import Path

from ganlab.data.packs.source import NotFetchedError
from ganlab.errors import UserError

PIX2PIX = ("facades", "cityscapes", "maps", "edges2shoes", "edges2handbags", "night2day")
CYCLEGAN = (
    *("apple2orange", "summer2winter_yosemite", "horse2zebra", "monet2photo", "cezanne2photo", "ukiyoe2photo"),
    *("vangogh2photo", "maps", "cityscapes", "facades", "iphone2dslr_flower", "ae_photos"),
)
URL = "https://efrosgans.eecs.berkeley.edu/{family}/datasets/{archive}"


def place_of(root: str, name: str | None, kind: str, download: bool) -> Path:
    """Return the folder of ``kind``, "pairs" or "domains": ``root``, or that of the published set ``name`` in it."""
    if name is None:
        place = Path(root).expanduser()
        if not place.is_dir():
            problem = "is a file: unpack it and" if place.exists() else "does not exist:"
            fix = f"set data.root to a folder of {kind}, or data.set to a known set"
            raise UserError(f"data.root={root} {problem} {fix}")
        return place
    family, names, ending = ("pix2pix", PIX2PIX, "tar.gz") if kind == "pairs" else ("cyclegan", CYCLEGAN, "zip")
    if name not in names:
        raise UserError(f"data.set={name} is no known set of {kind}: take one of {', '.join(names)}")
    place = Path(root).expanduser() / family / name
    if not place.is_dir():
        if not download:
            otherwise = "or set data.root to the folder that holds it"
            raise NotFetchedError(f"{place} is missing", otherwise, kind, set=name, root=root)
        from ganlab.data.fetching.download import fetch_archive  # rarely needed

        fetch_archive(URL.format(family=family, archive=f"{name}.{ending}"), place.parent, expected=place)
    return place


def two_folders(place: Path, split: str, sides: tuple[str, str] = ("A", "B")) -> tuple[Path, Path] | None:
    """Return the folders of two sides in ``place``: trainA, A/train or train/A."""
    for layout in ("{split}{side}", "{side}/{split}", "{split}/{side}"):
        first, second = (place / layout.format(split=split, side=side) for side in sides)
        if first.is_dir() or second.is_dir():
            return first, second
    return None


def name_of(place: Path) -> str:
    """Return the name of a folder for the name of a pack."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", place.resolve().name)[:40]
