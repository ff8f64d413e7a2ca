"""Checkpoints: saved every so many images or seconds, on a signal and at the end; some are kept."""

import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch

from ganlab.callbacks.signals import Interrupted, Signals
from ganlab.callbacks.writer import Writer
from ganlab.errors import UserError
from ganlab.files import atomic_write, link
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.checkpoint import FORMAT, LAST, non_finite

SECONDS = 30.0  # of training that a kill may cost


class Checkpoints(L.Callback):
    """Saves ``last.ckpt`` between two minibatches, and keeps some of them as ``images_<images seen>.ckpt``.

    ``interval`` is the number of images between two saves, None for about every 30 seconds; ``kept`` that between two
    checkpoints that are kept, None to keep none. ``config``, in plain containers, is part of every checkpoint.
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
        self.saved = -1  # images seen at the last save
        self.saved_at = self.polled_at = time.monotonic()
        self.polled = self.next_poll = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.saved_at = self.polled_at = time.monotonic()
        self.saved = pl_module.clock.images_seen if Path(trainer.ckpt_path or "").name == LAST else -1
        self.polled = self.next_poll = pl_module.clock.minibatches
        if trainer.ckpt_path and not self.place(pl_module).exists():  # the process was killed before it was kept
            self.keep(Path(trainer.ckpt_path), trainer, pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, *_: Any) -> None:
        clock = pl_module.clock
        self.poll(trainer, pl_module, due=clock.crossed(self.interval) or clock.crossed(self.kept))

    def poll(self, trainer: L.Trainer, system: AdversarialSystem, due: bool = False) -> None:
        """Save if due; stop if a signal came. Several ranks agree about every two seconds."""
        number, late = self.signals.number, self.interval is None and time.monotonic() - self.saved_at > SECONDS
        if trainer.world_size > 1:
            if not due and system.clock.minibatches < self.next_poll:
                return
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
        rate = (batches - self.polled) / max(time.monotonic() - self.polled_at, 1e-3)
        asked = torch.tensor([number or 0, late, max(1, min(int(2 * rate), 1000))], device=system.device)
        number, late, wait = trainer.strategy.reduce(asked, reduce_op="max").tolist()  # type: ignore[union-attr]
        self.polled, self.next_poll, self.polled_at = batches, batches + wait, time.monotonic()
        return number, late

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if self.saved != pl_module.clock.images_seen:
            self.save(trainer, pl_module)
        self.writer.flush()

    def save(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Write ``last.ckpt``, and keep it if due."""
        trainer.save_checkpoint(self.folder / LAST)
        self.saved, self.saved_at = system.clock.images_seen, time.monotonic()
        self.keep(self.folder / LAST, trainer, system)

    def keep(self, checkpoint: Path, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Keep a checkpoint of this moment if due, once it is written."""
        if trainer.is_global_zero and system.clock.crossed(self.kept):
            self.writer.submit(partial(keep, checkpoint, self.place(system)))

    def place(self, system: AdversarialSystem) -> Path:
        return self.folder / f"images_{system.clock.images_seen:09d}.ckpt"

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: AdversarialSystem, checkpoint: dict[str, Any]) -> None:
        """Complete a checkpoint, ``last.ckpt`` or another; ``UserError`` if anything in it is not finite."""
        broken = non_finite(checkpoint)
        if trainer.world_size > 1:  # what the first rank writes decides
            broken = trainer.strategy.broadcast(broken)
        if broken:
            more = f" and {len(broken) - 1:,} more are" if len(broken) > 1 else " is"
            kept = f"; {self.folder / LAST} holds the state at {self.saved:,} images" if self.saved > 0 else ""
            raise UserError(
                f"training diverged: {broken[0]}{more} no longer finite after {pl_module.clock.images_seen:,} "
                f"images{kept}. Lower optimizer.lr or set optimizer.clip_norm"
            )
        checkpoint["config"], checkpoint["format"] = self.config, FORMAT
        checkpoint["images_seen"] = pl_module.clock.images_seen
        del checkpoint["loops"]  # Lightning's counters; the clock is in the state dict


def keep(checkpoint: Path, place: Path) -> None:
    """Hard-link a checkpoint to ``place``, or copy it where the file system has no hard links."""
    try:
        try:
            link(checkpoint, place)  # checkpoints are replaced, never modified
        except OSError:  # not every file system gives a file two names
            with checkpoint.open("rb") as source, atomic_write(place) as target:
                shutil.copyfileobj(source, target)
    except OSError as error:
        raise UserError(
            f"{place} could not be written ({error.strerror}): make room, or type every.keep=null, then give the same "
            f"command with run=NAME of this run to continue"
        ) from error
