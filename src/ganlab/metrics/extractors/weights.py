"""Weights of feature networks: local files, and published ones, downloaded once and checked."""

import hashlib
import pickle
import socket
import sys
from pathlib import Path

import torch

from ganlab.errors import UserError

DOWNLOAD_TIMEOUT = 15  # seconds of silence
UNUSABLE = (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError)  # of other content than weights


def published_weights(url: str) -> Path:
    """Return a published file in torch hub's cache, downloaded when absent or damaged; ``UserError`` if it cannot be.

    ``url`` ends in a name like ``weights-6726825d.pth``, with the first digits of the file's sha256.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    digest = file.stem.rsplit("-", 1)[-1]
    if file.exists() and hashlib.sha256(file.read_bytes()).hexdigest().startswith(digest):
        return file
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)  # torch hub sets none, and offline machines would wait for minutes
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), digest, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as reason:  # RuntimeError: another sha256
        raise UserError(
            f"the weights {file.name} cannot be fetched ({first_line(reason)}); put {url} "
            f"at {file}, or anywhere with features.weights=FILE, or do without: metrics=swd"
        ) from reason
    finally:
        socket.setdefaulttimeout(before)
    return file


def read_weights(file: Path) -> bytes:
    """Return the bytes of a file, or raise a ``UserError``."""
    try:
        return file.read_bytes()
    except OSError as reason:
        raise UserError(f"no weights at {file} ({reason.strerror}); set features.weights=FILE") from reason


def first_line(reason: BaseException) -> str:
    """Return the first line of an exception's message, or its type."""
    return str(reason).strip().partition("\n")[0] or type(reason).__name__
