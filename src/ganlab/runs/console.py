"""The console of a command, which goes on where its terminal is closed: the run's log has what is printed."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

COLOURS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


class Log:
    """The complete lines of standard output and errors; those that come before `open` are kept until then."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.waiting: list[str] = []

    def open(self, path: Path) -> None:
        self.path = path
        self.append("")

    def append(self, lines: str) -> None:
        self.waiting.append(lines)
        if self.path is not None:
            with suppress(OSError), self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write("".join(self.waiting))
                self.waiting.clear()


log = Log()


class Stream:
    """A text stream that never fails, and whose lines are also appended to `log`; bars leave their last state only."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.line = stream, ""

    def write(self, text: str) -> int:
        with quietly(self.stream):
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                encoding = self.stream.encoding
                self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        *lines, self.line = (self.line + text).split("\n")
        self.line = self.line.rpartition("\r")[2]
        shown = (COLOURS.sub("", line.rstrip("\r").rpartition("\r")[2]) for line in lines)
        if lines:
            log.append("".join(f"{line}\n" for line in shown))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        with quietly(self.stream):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def quietly(stream: TextIO) -> Iterator[None]:
    """Ignore that a stream cannot be written; what it still holds, and all that follows, goes to the null device."""
    try:
        yield
    except BlockingIOError:
        pass
    except (OSError, ValueError):  # ValueError: it is closed
        with suppress(OSError, ValueError), open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), stream.fileno())


@contextmanager
def console() -> Iterator[None]:
    """Ignore SIGHUP, and replace standard output and errors by a `Stream` each, of the null device where closed."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:  # it took the place of a closed one, which the next file to be opened would have taken
        descriptor = os.dup(descriptor)
    os.close(descriptor)
    before = sys.stdout, sys.stderr
    streams = [Stream(stream or open(os.devnull, "w")) for stream in before]  # noqa: SIM115 - until the process ends
    sys.stdout, sys.stderr = streams  # type: ignore[assignment]
    log.path, log.waiting = None, []
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = before
        signal.signal(signal.SIGHUP, hang_up)
