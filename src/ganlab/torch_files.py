"""Reads what `torch.save` wrote, from anyone: no code runs, and it takes no more memory than the file."""

import mmap
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, is_zipfile

import torch

from ganlab.errors import UserError

RESERVES = b"\nbytearray\n"  # torch's safe loader calls bytearray, of any size; no network is made of it


def load(path: Path, content: str, fix: str) -> Any:
    """Return tensors and plain containers, on the CPU; ``UserError`` with a ``fix`` for another or a damaged file."""
    try:
        return _load(path)
    except Exception as error:  # torch raises many kinds for damaged files
        reason = str(error).partition("\n")[0][:120]
        raise UserError(f"{path} cannot be read as {content} ({reason}): {fix}") from error


def _load(path: Path) -> Any:
    if is_zipfile(path):
        with ZipFile(path) as archive:
            members = archive.infolist()
            packed = any(member.compress_type != ZIP_STORED for member in members)
            if packed or sum(member.file_size for member in members) > path.stat().st_size:
                raise ValueError("it is compressed, as torch.save writes none")
            if damaged := archive.testzip():  # checksums, which torch does not compare
                raise ValueError(f"{damaged} is damaged")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(RESERVES) >= 0:
            raise ValueError("it holds a bytearray")
    return torch.load(path, map_location="cpu", weights_only=True)
