"""Downloads: resumed, verified and atomic."""

import errno
import hashlib
import logging
import os
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from tqdm import tqdm

from ganlab.data.fetching.archives import unpack
from ganlab.errors import UserError
from ganlab.files import require_space
from ganlab.locks import locked

log = logging.getLogger(__name__)

TIMEOUT = 30.0  # seconds without a response
ATTEMPTS = 5  # consecutive ones without a new byte
PAUSE = 1.0  # seconds times the number of failed attempts, before the next one
BLOCK = 2**20
SMALL = 100e6  # bytes; smaller files show no progress bar in a log
HOPELESS = (400, 401, 403, 404, 405, 410, 451)  # HTTP errors that are not retried
BROKEN = (HTTPException, urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError)


def fetch(url: str, path: Path, *, md5: str | None = None) -> None:
    """Fetch ``url`` to ``path``, unless it exists; ``UserError`` with the fix if that fails."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url} is no address on the web: take one that begins with https:// or http://")
    if path.exists():
        return
    with explain_errors(url, path), locked(path, f"fetches {path.name}"):
        if path.exists():  # fetched by another process meanwhile
            return
        part = path.with_name(f"{path.name}.part")  # where a later call continues
        transfer(url, part)
        if md5 is not None:
            check(part, md5, url, path)
        os.replace(part, path)


def fetch_archive(url: str, place: Path, *, expected: Path, md5: str | None = None) -> None:
    """Fetch a tar or zip file and unpack it into ``place``, unless ``expected`` below it exists; or ``UserError``."""
    if expected.exists():
        return
    archive = place / PurePosixPath(unquote(urlsplit(url).path)).name
    unpacked = place / f".{archive.name}.unpacked"  # hidden until it is complete
    with explain_errors(url, archive), locked(unpacked, f"unpacks {archive.name}"):
        if expected.exists():
            return
        given = archive.exists()  # put there by hand
        fetch(url, archive, md5=md5)
        if md5 is None:
            log.warning("%s is unpacked unverified: no digest of it is published", archive)
        elif given and (found := md5_of(archive)) != md5:
            raise UserError(f"{archive} is not the file that was published (md5 {found} instead of {md5}): remove it")
        if not unpacked.exists():
            unpack(archive, unpacked)
        try:
            if not (unpacked / expected.relative_to(place)).exists():
                held = ", ".join(sorted(path.name for path in unpacked.iterdir())[:5]) or "nothing"
                raise UserError(
                    f"{archive} holds {held}, not {expected.relative_to(place)}: unpack it by hand so that "
                    f"{expected} exists"
                )
            merge(unpacked, place, expected)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        archive.unlink()


def merge(source: Path, target: Path, last: Path) -> None:
    """Move the content of ``source`` into ``target`` without replacing anything; the parent of ``last`` comes last."""
    for entry in sorted(source.iterdir(), key=lambda entry: last.is_relative_to(target / entry.name)):
        place = target / entry.name
        if not place.exists():
            os.replace(entry, place)
        elif entry.is_dir() and place.is_dir():
            merge(entry, place, last)


def transfer(url: str, part: Path) -> None:
    """Complete ``part``, retrying as long as attempts bring new bytes."""
    fruitless = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return request_rest(url, part)
        except urllib.error.HTTPError as error:
            if error.code in HOPELESS:
                raise
            reason: Exception = error
        except BROKEN as error:
            reason = error
        fruitless = 0 if part.exists() and part.stat().st_size > before else fruitless + 1
        offline = before == 0 and isinstance(getattr(reason, "reason", None), OSError)
        if offline or fruitless == ATTEMPTS:
            raise reason
        time.sleep(PAUSE * fruitless)


def request_rest(url: str, part: Path) -> None:
    """Request the missing bytes of ``part`` once, and append them."""
    held = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "ganlab", "Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})
    try:
        response: HTTPResponse = OPENER.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # no bytes beyond the partial file
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(held):
            return
        part.unlink()
        raise ConnectionError("the file has changed on the server") from error
    with response:
        part.parent.mkdir(parents=True, exist_ok=True)
        if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {held}-"):
            part.unlink(missing_ok=True)
            raise ConnectionError("the server continues at another place")
        start = held if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        if total is not None:
            require_space(total - start, part.parent)
        with part.open("ab" if start else "wb") as file:
            copy(response, file, part.stem, start, total)
            os.fsync(file.fileno())
            got = file.tell()
    if total is not None and got < total:
        raise ConnectionError(f"the connection broke off after {got:,} of {total:,} bytes")


def copy(response: HTTPResponse, file: IO[bytes], name: str, start: int, total: int | None) -> None:
    """Append the response to ``file``, with a progress bar."""
    terminal = sys.stderr.isatty()
    style: dict[str, Any] = {"unit": "B", "unit_scale": True, "mininterval": 0.2 if terminal else 30}
    hidden = not terminal and (total or 0) < SMALL
    with tqdm(desc=f"fetching {name}", total=total, initial=start, disable=hidden, **style) as bar:
        while block := response.read(BLOCK):
            file.write(block)
            bar.update(len(block))


def check(part: Path, md5: str, url: str, path: Path) -> None:
    """Delete a file of another digest and raise ``UserError``."""
    if (found := md5_of(part)) != md5:
        part.unlink()
        problem = f"its md5 is {found} instead of {md5}; it was deleted"
        raise UserError(f"{url} is not the file that was published ({problem}): repeat, or {by_hand(path)}")


def md5_of(path: Path) -> str:
    """Return a file's MD5, which is what publishers state."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


@contextmanager
def explain_errors(url: str, path: Path) -> Iterator[None]:
    """Turn every error into one line with the URL and the fix."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} was refused ({error.code} {error.reason}): {by_hand(path)}") from error
    except BROKEN as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise UserError(
            f"{url} could not be fetched ({reason.splitlines()[0]}): get online and repeat, which continues, or "
            f"{by_hand(path)}"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fix = "free some space and repeat, which continues, or set data.root=FOLDER on another disk"
            raise UserError(f"the disk is full while fetching {url} ({error.strerror}): {fix}") from error
        raise UserError(
            f"{path.absolute().parent} cannot be written while fetching {url} ({error.strerror or error}): set "
            "data.root=FOLDER to a writable folder"
        ) from error


def by_hand(path: Path) -> str:
    """Return how to get a file by other means."""
    return f"fetch it by other means and put it in place as {path.absolute()}"


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web addresses, but none from https to http; Python's own follow those to FTP as well."""

    def redirect_request(self, request: urllib.request.Request, *rest: Any) -> urllib.request.Request | None:
        scheme = urlsplit(rest[-1]).scheme
        if scheme not in ("http", "https") or (request.type == "https" and scheme != "https"):
            raise urllib.error.URLError(f"it leads from {request.type} to {scheme}")
        return super().redirect_request(request, *rest)


OPENER = urllib.request.build_opener(SafeRedirects)
