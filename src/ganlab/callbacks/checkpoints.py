"""Checkpoints: saved by images, by the clock on the wall, on a signal and at the end; some of them kept."""

import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L

from ganlab.callbacks.writer import Writer
from ganlab.errors import UserError
from ganlab.files import atomic_write
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.checkpoint import FORMAT, LAST

SECONDS = 30.0  # of training that a kill may cost


class Interrupted(BaseException):
    """Training was stopped by a signal, after a checkpoint was saved."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signal_number).name}")
        self.exit_code = 128 + signal_number


class Signals(L.Callback):
    """Notes SIGINT and SIGTERM instead of obeying them: Lightning saves in the middle of a step, or exits with code 0.

    The first callback of all, since a measurement may take long before the first minibatch.

    Attributes:
        number: of the signal that came; None as long as none did. A second one takes its usual course.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.before = {number: signal.signal(number, self.note) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(self, number: int, _: Any) -> None:
        """Remember a signal."""
        self.number = number
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


class Checkpoints(L.Callback):
    """Saves ``last.ckpt`` between two minibatches, never within one.

    Where a minibatch crosses a multiple of ``kept`` images, what was saved stays as ``images_<images seen>.ckpt`` too.

    Args:
        folder: the run's ``checkpoints`` folder.
        config: the run's configuration, plain containers, kept in every checkpoint.
        interval: images between two saves; None for one about every 30 seconds.
        kept: images between two checkpoints that are kept for good; None for none.
        signals: what was noted while training.
        writer: writes checkpoints in the background; it is waited for where training ends.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        interval: int | None,
        kept: int | None,
        signals: Signals,
        writer: Writer,
    ) -> None:
        self.folder, self.config, self.interval, self.kept = folder, config, interval, kept
        self.signals, self.writer = signals, writer
        self.saved = -1
        self.saved_at = self.polled_at = time.monotonic()
        self.polled, self.next_poll = 0, 0

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.saved_at = self.polled_at = time.monotonic()
        self.saved = pl_module.clock.images_seen
        self.polled = self.next_poll = pl_module.clock.minibatches
        if trainer.ckpt_path and not self.place(pl_module).exists():  # a kill came before it could be kept
            self.keep(Path(trainer.ckpt_path), trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: AdversarialSystem, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        clock = pl_module.clock
        self.poll(trainer, pl_module, due=clock.crossed(self.interval) or clock.crossed(self.kept))

    def poll(self, trainer: L.Trainer, system: AdversarialSystem, due: bool = False) -> None:
        """Save if it is time to; leave if a signal came. Ranks follow rank 0, asked about every five seconds."""
        number, late = self.signals.number, self.interval is None and time.monotonic() - self.saved_at > SECONDS
        if trainer.world_size > 1:
            number, late = self._agreed(trainer, system, number, late)
        if due or late or number:
            self.save(trainer, system)
        if number:
            self.writer.flush()
            raise Interrupted(number)

    def _agreed(
        self, trainer: L.Trainer, system: AdversarialSystem, number: int | None, late: bool
    ) -> tuple[int | None, bool]:
        batches = system.clock.minibatches
        if batches < self.next_poll:
            return None, False
        rate = (batches - self.polled) / max(time.monotonic() - self.polled_at, 1e-3)
        number, late, wait = trainer.strategy.broadcast((number, late, max(1, min(int(5 * rate), 1000))))
        self.polled, self.next_poll, self.polled_at = batches, batches + wait, time.monotonic()
        return number, late

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if self.saved != pl_module.clock.images_seen:
            self.save(trainer, pl_module)
        self.writer.flush()

    def save(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Write ``last.ckpt``, unless the weights are ruined; keep it where that is due."""
        if broken := system.non_finite_players():
            self.writer.flush()  # so that what is told of is there
            kept = f"; {self.folder / LAST} holds the state at {self.saved:,} images" if self.saved > 0 else ""
            raise UserError(
                f"training diverged: weights of the {' and the '.join(broken)} are no longer finite after "
                f"{system.clock.images_seen:,} images{kept}. Lower optimizer.lr or set optimizer.clip_norm"
            )
        trainer.save_checkpoint(self.folder / LAST)
        self.saved, self.saved_at = system.clock.images_seen, time.monotonic()
        self.keep(self.folder / LAST, trainer, system)

    def keep(self, checkpoint: Path, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Keep a checkpoint of this moment if that is due, once it is written."""
        if trainer.is_global_zero and system.clock.crossed(self.kept):
            self.writer.submit(partial(keep, checkpoint, self.place(system)))

    def place(self, system: AdversarialSystem) -> Path:
        """Return where a checkpoint of this moment is kept."""
        return self.folder / f"images_{system.clock.images_seen:09d}.ckpt"

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: AdversarialSystem, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"], checkpoint["format"] = self.config, FORMAT
        checkpoint["images_seen"] = pl_module.clock.images_seen
        del checkpoint["loops"]  # Lightning's counters: the clock in the state dict is the only one


def keep(checkpoint: Path, place: Path) -> None:
    """Give a checkpoint a second name, or a copy where it cannot have two.

    Raises:
        UserError: the disk refuses.
    """
    try:
        place.unlink(missing_ok=True)
        try:
            os.link(checkpoint, place)  # checkpoints are replaced, never changed: this one stays as it is
        except OSError:  # not every file system gives a file two names
            with checkpoint.open("rb") as source, atomic_write(place) as target:
                shutil.copyfileobj(source, target)
    except OSError as error:
        raise UserError(
            f"{place} could not be written ({error}): make room, or type every.keep=null, then give the same "
            f"command with run=NAME of this run to continue"
        ) from error
