"""Writer: writes files in the background while training continues."""

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import lightning as L

from ganlab.errors import UserError

WAITING = 8  # jobs; with a slow disk, an unlimited queue would fill the memory


class Writer(L.Callback):
    """Runs jobs in order in one thread.

    An exception of a job is raised at the end of the next minibatch, or by the next job or `flush`; the jobs behind it,
    which may depend on it, are dropped. All jobs are done before a checkpoint is saved, since a run that continues from
    it does not repeat them. Therefore this callback comes after all that write, and before those that mark the run as
    finished.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self.jobs: deque[Future[None]] = deque()
        self.failed = False
        self.warned: set[str] = set()

    def submit(self, job: Callable[[], None], optional: str = "") -> None:
        """Queue a job; waits while the queue holds `WAITING` others.

        ``optional`` says what training can do without: an ``OSError`` is then only a warning, one until a job succeeds.
        """
        self.check()
        while len(self.jobs) >= WAITING:
            self._end_first()
        self.jobs.append(self.thread.submit(self._run, job, optional))

    def _run(self, job: Callable[[], None], optional: str) -> None:
        if self.failed:
            return
        try:
            job()
            self.warned.discard(optional)
        except OSError as error:
            self.failed = not optional
            if self.failed:
                raise
            if optional not in self.warned:
                self.warned.add(optional)
                reason = f"{error.filename or 'a file'} could not be written ({error.strerror})"
                print(f"warning: {reason}: training goes on without {optional}", file=sys.stderr, flush=True)
        except BaseException:
            self.failed = True
            raise

    def check(self) -> None:
        """Raise the exception of a finished job; does not wait."""
        while self.jobs and self.jobs[0].done():
            self._end_first()

    def flush(self) -> None:
        """Wait for all jobs, and raise their exception."""
        while self.jobs:
            self._end_first()

    def _end_first(self) -> None:
        try:
            self.jobs.popleft().result()
        except OSError as error:
            raise UserError(
                f"{error.filename or 'a file of the run'} could not be written ({error.strerror}): make room, then "
                "give the same command with run=NAME of this run to continue"
            ) from error

    def on_train_batch_end(self, *_: Any) -> None:
        self.check()

    def on_save_checkpoint(self, *_: Any) -> None:
        self.flush()

    def on_train_end(self, *_: Any) -> None:
        self.flush()

    def on_exception(self, *_: Any) -> None:
        """Wait for the last jobs after an exception; their own errors are dropped."""
        self.thread.shutdown()

    def teardown(self, *_: Any, **__: Any) -> None:
        self.thread.shutdown()
