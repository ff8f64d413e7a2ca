"""Evaluations: metrics measured during training, and the best checkpoint."""

import sys
from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import lightning as L

from ganlab.callbacks.record import record
from ganlab.errors import UserError
from ganlab.evaluation.evaluator import Evaluator
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.checkpoint import BEST, read


class Evaluations(L.Callback):
    """Measures the untrained generator, then every ``interval`` images and at the end, on all ranks.

    The best state is saved as ``best.ckpt`` in ``folder``; the untrained generator is never the best. The evaluator's
    real images are prepared on rank 0. ``pause`` is called between batches of samples, and may end training.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        folder: Path,
        interval: int | None,
        pause: Callable[[L.Trainer, AdversarialSystem], None] | None = None,
    ) -> None:
        self.evaluator, self.folder, self.interval, self.pause = evaluator, folder, interval, pause
        self.latest: dict[str, float] = {}  # by full name
        self.best: dict[str, Any] | None = None  # best score so far, and the images seen then
        self.measured = -1

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.agree_with_file(trainer.global_rank == 0)
        if pl_module.clock.images_seen == 0 or pl_module.clock.crossed(self.interval):  # due when the run was stopped
            self.measure(trainer, pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, *_: Any) -> None:
        if pl_module.clock.crossed(self.interval):
            self.measure(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.measure(trainer, pl_module)

    def measure(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Measure the system once at this moment; save it as ``best.ckpt`` if its score is the best so far."""
        seen = system.clock.images_seen
        if seen == self.measured:
            return
        pause = partial(self._pause, trainer, system) if self.pause and trainer.world_size == 1 else None
        self.latest = self.evaluator.measure(system, trainer.global_rank, trainer.world_size, pause)
        self.measured = seen
        record(trainer, system, self.latest)
        name = self.evaluator.score_name
        if name is None or seen == 0 or not isfinite(self.latest[name]):
            return
        if self.best is None or self.evaluator.improves(self.latest[name], self.best["value"]):
            self.best = {"name": name, "value": self.latest[name], "images_seen": seen}
            trainer.save_checkpoint(self.folder / BEST)

    def agree_with_file(self, first: bool) -> None:
        """Take the best score of a continued run from ``best.ckpt``, which may be older or newer than ``last.ckpt``."""
        if self.best is not None:
            try:
                self.best = read(self.folder / BEST)["callbacks"][self.state_key]["best"]
            except (UserError, KeyError, TypeError):
                self.best = None
                if first:
                    line = f"warning: {self.folder / BEST} is missing or damaged: the best is chosen again from here on"
                    print(line, file=sys.stderr)

    def _pause(self, trainer: L.Trainer, system: AdversarialSystem, *_: int) -> None:
        assert self.pause
        self.pause(trainer, system)

    def state_dict(self) -> dict[str, Any]:
        return {"latest": dict(self.latest), "best": self.best, "measured": self.measured}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.latest, self.best, self.measured = (state_dict[key] for key in ("latest", "best", "measured"))
