"""Samples: grids of images, from the untrained generator's on."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from ganlab.callbacks.record import record_picture
from ganlab.report.grids import save_grid
from ganlab.systems.adversarial import AdversarialSystem


class Samples(L.Callback):
    """Writes what the system exhibits to ``<folder>/<name>_<images seen>.png`` and to the loggers.

    Args:
        folder: the run's ``samples`` folder.
        reals: real images uint8 (N, C, H, W), written once as ``reals.png``.
        interval: images between two exhibitions; the untrained and the final state are always shown.
    """

    def __init__(self, folder: Path, reals: Tensor, interval: int | None) -> None:
        self.folder, self.reals, self.interval = folder, reals, interval
        self.shown = -1

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if pl_module.clock.images_seen == 0:
            if trainer.is_global_zero:
                save_grid(self.reals, self.folder / "reals.png")
                record_picture(trainer, pl_module, "reals", self.folder / "reals.png")
            self.show(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: AdversarialSystem, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if pl_module.clock.crossed(self.interval):
            self.show(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.show(trainer, pl_module)

    @torch.no_grad()
    def show(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Write the exhibits of this moment, once."""
        seen = system.clock.images_seen
        if seen == self.shown or not trainer.is_global_zero:
            return
        self.shown = seen
        for name, images in system.exhibit().items():
            path = self.folder / f"{name}_{seen:09d}.png"
            save_grid(images, path)
            record_picture(trainer, system, name, path)
