"""Tracker: W&B or TensorBoard as a logger that can neither end a run nor hold it."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, Protocol

from lightning.pytorch.loggers import Logger

from ganlab.errors import one_line

LIMIT = 60.0  # seconds that a call may take
GRACE = 5.0  # seconds to release a backend that does not answer


class Backend(Protocol):
    """What a `Tracker` calls; every method may raise or hang."""

    title: str

    def start(self) -> None: ...
    def log_metrics(self, metrics: dict[str, float], step: int | None) -> None: ...
    def log_picture(self, name: str, path: Path, step: int) -> None: ...
    def finish(self) -> None:
        """Wait until everything is recorded, then `release`."""

    def release(self) -> None:
        """Stop what would keep the process from exiting."""

    def place(self) -> str:
        """Return where the run can be looked at; an empty string if that is nowhere."""

    def remedy(self) -> str:
        """Return how to upload what is only on the disk; an empty string if nothing is."""


class Tracker(Logger):
    """Makes all calls to a backend from one daemon thread, in order; training only queues them.

    An exception is reported in one line, the first of each kind, and the run goes on without that call. A backend that
    does not start, or takes longer than ``limit`` seconds for a call, is switched off; the process can still exit.
    """

    def __init__(self, backend: Backend, limit: float = LIMIT, grace: float = GRACE) -> None:
        super().__init__()
        self.backend, self.limit, self.grace = backend, limit, grace
        self.active = True
        self.began: float | None = None  # when the current call began
        self.failures: set[str] = set()  # kinds reported
        self.calls: SimpleQueue[tuple[Callable[[], object], str, Event] | None] = SimpleQueue()
        Thread(target=self._work, name=f"tracker {backend.title}", daemon=True).start()
        self._wait_for(backend.start, starting := "does not record this run")
        if self.active and starting in self.failures:
            self._switch_off()

    @property
    def name(self) -> str:
        return self.backend.title

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        values = {name: float(value) for name, value in metrics.items()}  # a tensor could change before it is logged
        self._queue(lambda: self.backend.log_metrics(values, step))

    def log_picture(self, name: str, path: Path, step: int) -> None:
        self._queue(lambda: self.backend.log_picture(name, path, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: backends get the configuration when they start."""

    def finish(self) -> None:
        """Wait until everything is recorded, ``limit`` seconds at most."""
        if self.active:
            self._wait_for(self.backend.finish, "has not received everything")
            self._stop()

    def place(self) -> str:
        return self.backend.place() if self.active else ""

    def _queue(self, call: Callable[[], object], failure: str = "does not have everything of this run") -> Event:
        done = Event()
        if self.active and self.began is not None and time.monotonic() - self.began > self.limit:
            self._give_up("is switched off")
        if self.active:
            self.calls.put((call, failure, done))
        else:
            done.set()
        return done

    def _wait_for(self, call: Callable[[], object], failure: str) -> None:
        answered = False
        try:
            answered = self._queue(call, failure).wait(self.limit)
        finally:  # also after Ctrl-C
            if not answered and self.active:
                self._give_up(failure)

    def _work(self) -> None:
        while self.active and (item := self.calls.get()):
            call, failure, done = item
            self.began = time.monotonic()
            try:
                call()
            except BaseException as error:  # noqa: B036, wandb also raises SystemExit
                self._report(failure, shorten(error))
            self.began = None
            done.set()

    def _give_up(self, failure: str) -> None:
        self._report(failure, f"no answer for {time.monotonic() - (self.began or time.monotonic()):.0f} s")
        self._switch_off()

    def _stop(self) -> None:
        self.active = False
        self.calls.put(None)

    def _switch_off(self) -> None:
        self._stop()
        release = Thread(target=self._release, daemon=True)
        release.start()
        release.join(self.grace)

    def _release(self) -> None:
        with suppress(BaseException):
            self.backend.release()

    def _report(self, failure: str, reason: str) -> None:
        if self.active and failure not in self.failures:
            self.failures.add(failure)
            line = f"warning: {self.backend.title} {failure} ({reason})"
            with suppress(OSError):  # the terminal may be closed
                remedy = self.backend.remedy()
                print(line + (f"; {remedy}" if remedy else ""), file=sys.stderr)


def shorten(error: BaseException) -> str:
    """Return an exception as one line of 200 characters at most."""
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    return one_line(" ".join(text.split())[:200])
