"""Writer: files are made in the background while training goes on."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import lightning as L

from ganlab.errors import UserError

WAITING = 8  # jobs; more would hold ever more pictures in memory where the disk is slower than training


class Writer(L.Callback):
    """Does jobs one after the other, in their order, in one thread.

    What a job raises is raised again at the end of the next minibatch, or with the next job or `flush`. Before every
    checkpoint all jobs are done: a run that continues from it does not make again what came before. For the same
    reason it comes after all callbacks that write and before those that say that training is finished.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self.jobs: deque[Future[None]] = deque()

    def submit(self, job: Callable[[], None]) -> None:
        """Do a job soon; waits where `WAITING` others are before it."""
        self.check()
        while len(self.jobs) >= WAITING:
            self._end_first()
        self.jobs.append(self.thread.submit(job))

    def check(self) -> None:
        """Raise what a job has raised; waits for none."""
        while self.jobs and self.jobs[0].done():
            self._end_first()

    def flush(self) -> None:
        """Wait until all jobs are done; raises what one of them has raised."""
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

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.check()

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.flush()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.flush()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Wait for the last jobs where training was broken off; of their errors there is nobody left to hear."""
        self.thread.shutdown()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self.thread.shutdown()
