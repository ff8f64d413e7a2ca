"""Weights of feature networks: files, read whole, and the publishers', fetched once with their digest checked."""

import hashlib
import os
import shutil
import urllib.request
from pathlib import Path

import torch
from tqdm import tqdm

from ganlab.errors import UserError

DOWNLOAD_TIMEOUT = 15  # seconds of silence


def published_weights(url: str) -> Path:
    """Return a published file in torch hub's cache, fetched when absent or damaged.

    Args:
        url: ends in a name like ``weights-6726825d.pth``, which tells the first digits of the file's sha256.

    Raises:
        UserError: it cannot be fetched, or is another one than its name tells.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    digest = file.stem.rsplit("-", 1)[-1]
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest().startswith(digest):
        return file
    try:
        _download(url, file, digest)
    except OSError as reason:
        raise UserError(
            f"the weights {file.name} cannot be fetched ({first_line(reason)}); put {url} "
            f"at {file}, or anywhere with features.weights=FILE, or do without: metrics=swd"
        ) from reason
    return file


def read_weights(file: Path) -> bytes:
    """Return the bytes of a file, or raise a ``UserError``."""
    try:
        return file.read_bytes()
    except OSError as reason:
        raise UserError(f"no weights at {file} ({reason.strerror}); set features.weights=FILE") from reason


def first_line(reason: BaseException) -> str:
    """Return what an exception says, without the lines that follow."""
    return str(reason).strip().partition("\n")[0] or type(reason).__name__


def _download(url: str, file: Path, digest: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT) as response, part.open("wb") as target:
            size = int(response.headers.get("Content-Length") or 0) or None
            with tqdm.wrapattr(response, "read", total=size, desc=f"fetching {file.name}", disable=None) as source:
                shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        found = hashlib.sha256(part.read_bytes()).hexdigest()
        if not found.startswith(digest):
            raise OSError(f"sha256 {found[:8]} instead of {digest}: the file is damaged or another one")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
