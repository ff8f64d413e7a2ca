"""Unpacks downloaded archives safely: nothing is written outside their folder."""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ganlab.errors import UserError
from ganlab.files import atomic_write, replace_folder

MOST_MEMBERS = 5_000_000  # ImageNet has 1.3 million
MOST_GROWTH = 100  # times the archive's size; label files and blank digits compress well, pictures hardly
LEAST_ALLOWED = 2**30  # bytes allowed for any archive
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)


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
    except (tarfile.FilterError, ForbiddenError) as error:
        raise UserError(f"{archive} is refused ({error}): delete it and fetch it from a place you trust") from error
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{archive} is damaged ({reason}): delete it and repeat the command") from error


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack each member, and read to the last byte, where compressed files have their checksum."""
    guard = Guard(archive)
    with tarfile.open(archive) as tar, progress(archive) as bar:
        for member in tar:
            guard.admit(member.name, member.size)
            tar.extract(member, folder, filter="data")
            bar.update()
        assert tar.fileobj is not None
        while tar.fileobj.read(2**20):
            pass


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack each member; zipfile compares checksums and sizes."""
    guard = Guard(archive)
    with zipfile.ZipFile(archive) as file, progress(archive) as bar:
        members = file.infolist()
        for member in members:
            guard.admit(member.filename, member.file_size)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ForbiddenError(f"{member.filename} is a link or a device")
        for member in members:
            file.extract(member, folder)
            bar.update()


class Guard:
    """Rejects members outside the folder, and archives that hold far more than pictures: counts members and bytes."""

    def __init__(self, archive: Path) -> None:
        self.members = self.bytes = 0
        self.most_bytes = max(LEAST_ALLOWED, MOST_GROWTH * archive.stat().st_size)

    def admit(self, name: str, size: int) -> None:
        """Count one member; raise ``ForbiddenError`` if it is not allowed."""
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise ForbiddenError(f"{name} leads out of its folder")
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise ForbiddenError(f"it holds more than {MOST_MEMBERS:,} files")
        self.grow(size)

    def grow(self, size: int) -> None:
        """Count ``size`` bytes; raise ``ForbiddenError`` if there are too many."""
        self.bytes += size
        if self.bytes > self.most_bytes:
            raise ForbiddenError(f"it would grow to more than {self.most_bytes / 1e9:.1f} GB")


def progress(archive: Path) -> tqdm:
    """Return a progress bar of files, shown on a terminal."""
    return tqdm(desc=f"unpacking {archive.name}", unit=" files", disable=None)
