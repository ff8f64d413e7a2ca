"""Signals that end training between two minibatches, after a checkpoint."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import lightning as L

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # SLURM sends the last before a job's time is over
TWICE = 0.2  # seconds; torchrun passes a terminal's Ctrl-C on, which sent it to all processes already


class Interrupted(BaseException):
    """Training was stopped by a signal; the exit code is 128 + its number, as the shell has it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Signals(L.Callback):
    """Records a signal for `Checkpoints`: Lightning would save within a step, exit with code 0, or hang.

    A context, outside which the handlers are as before. While training, the first signal is recorded; of later ones
    only SIGINT counts, the second of which calls ``leave`` with an exit code. Before, there is nothing to save: SIGINT
    raises `Interrupted`, and the others end the process. It must be the first callback, since a measurement before the
    first minibatch may take long.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.training, self.noted_at = False, 0.0
        self.before: dict[int, Any] = {}
        self.leave: Callable[[int], Any] = os._exit

    def __enter__(self) -> "Signals":
        self._handle(signal.SIGINT)
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def on_train_start(self, *_: Any) -> None:
        self.training = True
        for number in ENDING:
            self._handle(number)

    def _handle(self, number: int) -> None:
        if number not in self.before and signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            self.before[number] = signal.signal(number, self.note)

    def note(self, number: int, _: Any) -> None:
        if not self.training:
            raise Interrupted(number)
        if self.number is None:
            self.number, self.noted_at = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self.noted_at > TWICE:
            self.leave(128 + number)
