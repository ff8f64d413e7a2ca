"""The processes of a run and of a sweep watch each other, so that none outlives the others.

Two processes share a socket. When it closes, each knows that the other has gone, however it went: no collective
operation of gloo or NCCL is asked, nor is there a deadline. What was sent before is why.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from ganlab.errors import UserError, one_line
from ganlab.runs.ranks import World, rank

PARENT = "GANLAB_PARENT"  # environment variable: the descriptor of the socket that is shared with the parent
ORDERLY = "ended"  # sent by a process that ends as it should
GRACE = 3.0  # seconds for the main thread, which may be waiting for the one that has gone, to notice by itself
SAVING = 30.0  # seconds for a job to save after its sweep has gone
LAST = 120.0  # seconds for the first rank to end after the others


class Link:
    """A socket that is shared with another process; a thread waits for its end and then calls ``lost``."""

    def __init__(self, other: socket.socket, lost: Callable[[str], None]) -> None:
        self.socket, self.lost = other, lost
        self.thread = Thread(target=self._listen, daemon=True)
        self.thread.start()

    def end(self, word: str) -> None:
        """Send why this process ends; nothing follows."""
        with suppress(OSError):
            self.socket.sendall(word.encode())
            self.socket.shutdown(socket.SHUT_WR)

    def _listen(self) -> None:
        word = b""
        with suppress(OSError):
            while part := self.socket.recv(4096):
                word += part
        self.lost(word.decode(errors="replace"))


parent: Link | None = None  # to the sweep of a job, or to the first rank of another one
known: list[BaseException] = []  # errors that the first rank knows of


def start_child(
    command: list[str], environment: dict[str, str], **options: Any
) -> tuple[subprocess.Popen, socket.socket]:
    """Start a process that ends with this one; return it and the socket that is shared with it."""
    here, there = socket.socketpair()
    with there:
        environment = environment | {PARENT: str(there.fileno())}
        return subprocess.Popen(command, env=environment, pass_fds=[there.fileno()], **options), here


def follow_parent() -> None:
    """End this process when the one that started it by `start_child` has gone; a sweep's job saves before."""
    global parent
    if (descriptor := os.environ.pop(PARENT, None)) is not None:
        if rank():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the first rank decides
        parent = Link(socket.socket(fileno=int(descriptor)), lambda _: leave(0.0 if rank() else SAVING))


def leave(seconds: float) -> None:
    """End this process as SIGTERM does, at the latest after so many seconds."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    os._exit(128 + signal.SIGTERM)


def first_is_silent(error: BaseException) -> bool:
    """Whether a rank has to print its error itself: the first neither knows it nor ends all for the same error."""
    if parent is None and error not in known:
        time.sleep(GRACE)
    return error not in known


class Peers:
    """The other processes of a run, as a context: the first rank has a link to each, the others one to the first.

    When a process fails, all end within seconds with exit code 1, and its error is printed once. A ``RuntimeError``
    that a collective operation raises since another process has gone is not an error of this one.
    """

    def __init__(self, world: World) -> None:
        self.world, self.first = world, world.rank == 0
        self.links: list[Link] = []
        self.children: list[subprocess.Popen] = []
        self.failure = ""  # of the process that failed first, as one line
        self.failed, self.unsaid = Event(), False
        self.first_left = False  # in order, while this process may still be in a collective operation
        self.leaving = self.lost = False  # lost: ends since another process has gone
        self.before_exit: Callable[[], Any] = lambda: None  # such as waiting for files that are being written
        if parent is not None and not self.first:
            parent.lost = lambda word: self.lose(0, word)
            self.links.append(parent)

    def start(self, address: str, port: int) -> None:
        """Start the other processes of this node, with this one's command line."""
        world, others = self.world, {"MASTER_ADDR": address, "MASTER_PORT": str(port)}
        for local in range(1, world.devices):
            number = world.rank + local
            place = {"RANK": number, "LOCAL_RANK": local, "WORLD_SIZE": world.size, "NODE_RANK": world.node}
            environment = os.environ | others | {name: str(value) for name, value in place.items()}
            child, link = start_child([sys.executable, *sys.argv], environment, stdin=subprocess.DEVNULL)
            self.children.append(child)
            self._watch(number, link)

    def connect(self, broadcast: Callable[[Any], Any], address: str) -> None:
        """Link the processes that no other one here has started to the first, which is at ``address``."""
        with socket.create_server(("", 0), backlog=self.world.size) as server:
            alone = self.world.size // self.world.devices if self.children else self.world.size
            port, key = broadcast((server.getsockname()[1], secrets.token_hex()))
            if not self.first and parent is None:
                link = socket.create_connection((address, port), timeout=60)
                link.settimeout(None)
                link.sendall(f"{key} {self.world.rank:09d}".encode())
                self._watch(0, link)
            while self.first and len(self.links) < len(self.children) + alone - 1:
                link, _ = server.accept()
                given, _, number = link.recv(len(key) + 10, socket.MSG_WAITALL).decode(errors="replace").partition(" ")
                if secrets.compare_digest(given.encode(), key.encode()):
                    self._watch(int(number), link)

    def _watch(self, number: int, link: socket.socket) -> None:
        self.links.append(Link(link, lambda word: self.lose(number, word)))

    def lose(self, number: int, word: str) -> None:
        """Note that a process has gone. If that was not orderly, this one ends, by itself or after `GRACE`."""
        if self.leaving or word == ORDERLY:
            self.first_left |= number == 0
            return
        unsaid = f"process {number} of {self.world.size} was killed, or ended without an error of its own"
        if not self.failed.is_set():
            self.failure, self.unsaid = f"process {number}: {word}" if word else unsaid, not word
        self.failed.set()
        time.sleep(GRACE)
        if not self.leaving:
            self.announce(self.failure)
            self._report()
            self.before_exit()
            os._exit(1)

    def announce(self, word: str) -> None:
        """Tell the others why this process ends."""
        self.leaving = True
        for link in self.links:
            link.end(word)

    def fail(self, error: BaseException) -> None:
        """Tell the others of an error, unless it came of theirs."""
        if self.links and isinstance(error, RuntimeError):
            self.failed.wait(GRACE)
            self.lost = self.failed.is_set()
            if self.first_left and not self.lost:
                sys.exit(1)
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        known.extend([error] if self.links else [])
        self.announce(self.failure if self.lost else one_line(said))

    def _report(self) -> None:
        # The first prints errors of the others; where it was killed, the second prints that.
        if self.first or (self.world.rank == 1 and self.unsaid):
            with suppress(OSError, ValueError):
                print(f"error: {self.failure}", file=sys.stderr, flush=True)

    def exit(self, code: int) -> None:
        """End this process and those it has started at once."""
        self.announce(ORDERLY)
        for child in self.children:
            child.kill()
        os._exit(code)

    def __enter__(self) -> "Peers":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, frames: Any) -> None:
        failed = not (error is None or isinstance(error, SystemExit))
        if error is not None and failed and not self.leaving:
            self.fail(error)
        self.announce(ORDERLY)
        if not self.first and not failed:  # whoever started the processes may kill the others after the first end
            for link in self.links:
                link.thread.join(LAST)
        for child in self.children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE if failed else LAST)
            child.kill()
        if self.lost:
            self._report()
            sys.exit(1)
