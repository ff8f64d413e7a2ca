"""Unpacks downloaded archives safely: nothing is written outside their folder."""

import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from ganlab.errors import UserError
from ganlab.files import atomic_write, replace_folder

MOST_MEMBERS = 5_000_000  # ImageNet has 1.3 million
MOST_GROWTH = 100  # times the archive's size; label files and blank digits compress well, pictures hardly
LEAST_ALLOWED = 2**30  # bytes allowed for any archive
LONGEST_PART, LONGEST_NAME = 255, 1024  # bytes of a file's name, and of its whole path in the archive
LONGEST_HEADER = 2**20  # bytes of a tar file's extended header
HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError, OSError),
)
CLASHES = (FileExistsError, IsADirectoryError, NotADirectoryError)  # a name is both a file and a folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar (of any compression) or zip file atomically; ``UserError`` if it is damaged or unsafe."""
    unfinished = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a killed process
    unfinished.mkdir(parents=True)
    try:
        with explain_damage(archive):
            if zipfile.is_zipfile(archive):
                unpack_zip(archive, unfinished)
            elif tarfile.is_tarfile(archive):
                unpack_tar(archive, unfinished)
            else:
                raise tarfile.ReadError("it is no tar or zip file, or cut off")
        replace_folder(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def gunzip(archive: Path, path: Path) -> None:
    """Unpack one gzipped file atomically to ``path``; raises the same errors as `unpack`."""
    guard = Guard(archive)
    with explain_damage(archive), gzip.open(archive) as packed, atomic_write(path) as file:
        while block := packed.read(2**20):
            guard.grow(len(block))
            file.write(block)


class ForbiddenError(Exception):
    """An archive holds something that is not allowed."""


@contextmanager
def explain_damage(archive: Path) -> Iterator[None]:
    """Turn errors of damaged and rejected archives into one line."""
    try:
        yield
    except ForbiddenError as error:
        raise UserError(f"{archive} is refused ({error}): delete it and fetch it from a place you trust") from error
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno and not isinstance(error, CLASHES):
            raise  # of the disk; those of gzip and bz2 have no number
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{archive} is damaged ({reason}): delete it and repeat the command") from error


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack each member, and read to the last byte, where compressed files have their checksum."""
    guard = Guard(archive)
    with tarfile.open(archive, tarinfo=Member) as tar, progress(archive) as bar:
        for member in tar:
            place = guard.admit(folder, member.name, member.size, member.isreg() or member.isdir())
            write(place, tar.extractfile(member))
            bar.update()
        assert tar.fileobj is not None
        while block := tar.fileobj.read(2**20):
            guard.grow(len(block))


class Member(tarfile.TarInfo):
    """A member without the headers that tarfile reads into memory, of any size, before the guard sees the member."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:  # tarfile's hook for subclasses
        if self.type == tarfile.GNUTYPE_SPARSE or (self.type in HEADERS and self.size > LONGEST_HEADER):
            raise ForbiddenError(f"{self.name[:40]} has a header that no published set needs")
        return super()._proc_member(tar)  # type: ignore[misc, no-any-return]


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack each member, once all are admitted; zipfile compares checksums and sizes."""
    guard = Guard(archive)
    with zipfile.ZipFile(archive) as file, progress(archive) as bar:
        places = []
        for member in file.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            # filename is cut at NUL.
            places.append((guard.admit(folder, member.orig_filename, member.file_size, plain), member))
        for place, member in places:
            if member.is_dir():
                write(place, None)
            else:
                with file.open(member) as content:
                    write(place, content)
            bar.update()


def write(place: Path, content: IO[bytes] | None) -> None:
    """Write an admitted member as a new file, or make a folder where it has no content."""
    (place if content is None else place.parent).mkdir(parents=True, exist_ok=True)
    if content is not None:
        with place.open("wb") as file:
            shutil.copyfileobj(content, file, 2**20)


class Guard:
    """Rejects members outside the folder, links, devices, and archives that hold far more than pictures."""

    def __init__(self, archive: Path) -> None:
        self.members = self.bytes = 0
        self.most_bytes = max(LEAST_ALLOWED, MOST_GROWTH * archive.stat().st_size)

    def admit(self, folder: Path, name: str, size: int, plain: bool) -> Path:
        """Count one member, and return its place below ``folder``; ``ForbiddenError`` if it is not allowed.

        Links are not allowed at all: what tarfile makes of one depends on the files before it (CVE-2025-4517).
        """
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in name or re.match("[A-Za-z]:", name):
            raise ForbiddenError(f"{name} leads out of its folder")
        if not plain:
            raise ForbiddenError(f"{name} is a link or a device")
        encoded = [os.fsencode(part) for part in path.parts]
        if any(len(part) > LONGEST_PART for part in encoded) or len(b"/".join(encoded)) > LONGEST_NAME:
            raise ForbiddenError(f"the name {name[:40]}... is longer than file systems allow")
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise ForbiddenError(f"it holds more than {MOST_MEMBERS:,} files")
        self.grow(size)
        return folder / path

    def grow(self, size: int) -> None:
        """Count ``size`` bytes; raise ``ForbiddenError`` if there are too many."""
        if size < 0:
            raise ForbiddenError("it holds a file of negative size")
        self.bytes += size
        if self.bytes > self.most_bytes:
            raise ForbiddenError(f"it would grow to more than {self.most_bytes / 1e9:.1f} GB")


def progress(archive: Path) -> tqdm:
    """Return a progress bar of files, shown on a terminal."""
    return tqdm(desc=f"unpacking {archive.name}", unit=" files", disable=None)
