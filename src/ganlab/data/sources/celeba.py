"""CelebA: aligned faces with forty attributes, read from the zip file or its folder."""

import io
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from ganlab.data.fetching.published import file_stamps
from ganlab.data.packs.pictures import PictureFile, UnreadableImageError
from ganlab.data.packs.source import Arrays, NoSuchSplitError, Record, Source
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError

SPLITS = {"train": 0, "valid": 1, "test": 2}
PICTURES, PARTITION, ATTRIBUTES = "img_align_celeba", "list_eval_partition.txt", "list_attr_celeba.txt"
SITE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
DRIVE = {name: f"https://drive.google.com/file/d/{key}" for key, _, name in datasets.CelebA.file_list}


class CelebA(Source):
    """162,770 + 19,867 + 19,962 aligned photographs of faces, 178x218, with attributes 0 or 1 (Liu et al. 2015).

    ``root`` holds ``img_align_celeba.zip``, or the folder ``img_align_celeba``, and the two published lists.
    """

    def __init__(self, root: str, split: str) -> None:
        if split not in (*SPLITS, "all"):
            raise NoSuchSplitError(f"data.split={split} is not in CelebA: take one of {', '.join(SPLITS)}, all")
        self.root = Path(root).expanduser().absolute()
        self.name = f"celeba-{split}"
        folder, archive = self.root / PICTURES, self.root / f"{PICTURES}.zip"
        self.pictures_at = folder if folder.is_dir() else archive
        for path in (self.pictures_at, self.root / PARTITION, self.root / ATTRIBUTES):
            if not path.exists():
                raise UserError(
                    f"{path} is missing, and must be fetched by hand: open {DRIVE[path.name]} (from "
                    f"{SITE}), and put {path.name} into {self.root}; or set data.root to its folder"
                )
        self.attributes, self.files, self.labels = read_lists(self.root, split)

    @property
    def extras(self) -> Arrays:
        return {"labels": ("int64", (len(self.attributes),))}

    def notes(self) -> dict[str, Any]:
        return {"attributes": self.attributes}

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> dict[str, Any]:
        files = [self.root / PARTITION, self.root / ATTRIBUTES]
        if self.pictures_at.is_file():
            return {"set": self.name, "files": file_stamps([*files, self.pictures_at])}
        pictures = Folder(str(self.pictures_at)).fingerprint()
        return {"set": self.name, "files": file_stamps(files), "pictures": pictures}

    def file_names(self) -> list[str] | None:
        return self.files

    def read(self, index: int) -> Record:
        name = self.files[index]
        file = self.pictures_at / name if self.pictures_at.is_dir() else io.BytesIO(member(self.pictures_at, name))
        return {"images": PictureFile(file, name), "labels": self.labels[index]}


def read_lists(root: Path, split: str) -> tuple[list[str], list[str], np.ndarray]:
    """Return attribute names, and the file names of a split with their attributes, int64 (N, A) of 0 and 1."""
    try:
        parts = dict(line.split() for line in (root / PARTITION).read_text().splitlines() if line.strip())
        _, header, *rows = (root / ATTRIBUTES).read_text().splitlines()
        names = header.split()
        chosen = [row.split() for row in rows if row.strip()]
        chosen = [row for row in chosen if split == "all" or parts[row[0]] == str(SPLITS[split])]
        labels = np.array([row[1:] for row in chosen], np.int64).reshape(len(chosen), len(names))
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{PARTITION} and {ATTRIBUTES} in {root} are damaged or do not belong together ({error}): fetch both again "
            f"from {SITE}"
        ) from error
    if not chosen:
        raise UserError(f"{root / PARTITION} names no picture of data.split={split}: fetch it again from {SITE}")
    return names, [row[0] for row in chosen], (labels > 0).astype(np.int64)


def member(archive: Path, name: str) -> bytes:
    """Return one picture of the zip file; ``UnreadableImageError`` if it is missing or damaged."""
    try:
        return opened(archive).read(f"{PICTURES}/{name}")
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise UnreadableImageError(name, str(error).strip("'\"") or type(error).__name__) from error


@cache
def opened(archive: Path) -> zipfile.ZipFile:
    """Open a zip file once per process: reading its list of members takes a second."""
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive} is damaged or cut off ({error}): delete it and fetch it again") from error
