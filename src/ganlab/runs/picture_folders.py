"""Folders of picture files: what is read, what it is written to, and what belongs together."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ganlab.data.packs.pictures import PictureFile
from ganlab.data.sources.folder import Folder
from ganlab.errors import UserError


@dataclass(frozen=True)
class Pictures:
    """Picture files by name: a folder's relative paths, or one file."""

    root: Path
    names: list[str]

    @classmethod
    def of(cls, key: str, given: Any, without: Path | None = None) -> "Pictures":
        """List the pictures of ``key=given``, a folder or a file; those in the folder ``without`` are left out."""
        place = Path(str(given)).expanduser()
        if place.is_file():
            return cls(place.parent, [place.name])
        try:
            source = Folder(str(place), labelled=False)
        except UserError as error:
            raise UserError(str(error).replace("data.root", key)) from error
        names = source.files
        if without is not None and place.resolve() in without.parents:
            names = [name for name in names if without not in (place / name).resolve().parents]
            if not names:
                raise UserError(f"{key}={given} holds no picture but those in output=: set {key}")
        return cls(place, names)

    def file(self, name: str) -> PictureFile:
        return PictureFile(self.root / name, name)


def output_names(names: Iterable[str]) -> dict[str, str]:
    """Return the PNG file of each picture: of the same name, or with ``.png`` added where others would have it too."""
    found, taken = {}, set[str]()
    for name in sorted(names, key=lambda name: (PurePath(name).suffix.lower() != ".png", name)):
        target = str(PurePath(name).with_suffix(".png"))
        while target.casefold() in taken:
            target = (name if target == str(PurePath(name).with_suffix(".png")) else target) + ".png"
        taken.add(target.casefold())  # some file systems ignore case
        found[name] = target
    return found


def match(names: Iterable[str], truths: Iterable[str]) -> dict[str, str]:
    """Return the truth of each picture that has one: of the same path, or of the same but for the ending."""
    exact = set(truths)
    stems = {str(PurePath(name).with_suffix("")): name for name in sorted(exact, reverse=True)}
    found = {name: name if name in exact else stems.get(str(PurePath(name).with_suffix(""))) for name in names}
    return {name: truth for name, truth in found.items() if truth is not None}


def require_apart(output: Path, targets: Iterable[str], given: list[Pictures]) -> None:
    """Raise ``UserError`` if an output would overwrite a picture that is read."""
    place = output.resolve()
    sources = {(each.root / name).resolve() for each in given for name in each.names}
    for target in targets:
        if (path := (place / target).resolve()) in sources:
            raise UserError(f"output={output} would overwrite {path}, which is read: give another folder")
