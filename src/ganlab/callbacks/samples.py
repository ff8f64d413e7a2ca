"""Samples: preview grids during training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from ganlab.callbacks.record import record_picture
from ganlab.callbacks.writer import Writer
from ganlab.report.grids import save_grid
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.request import Request


class Samples(L.Callback):
    """Writes the system's previews to ``<folder>/<name>_<images seen>.png`` and to the loggers.

    The untrained and the final state are always previewed. ``reals``, uint8 (N, C, H, W), become ``reals.png``.
    """

    def __init__(
        self, folder: Path, reals: Tensor, references: Mapping[str, Request], interval: int | None, writer: Writer
    ) -> None:
        self.folder, self.reals, self.references = folder, reals, references
        self.interval, self.writer = interval, writer
        self.shown = -1

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if pl_module.clock.images_seen == 0:
            if trainer.is_global_zero:
                self.write(trainer, 0, "reals", self.reals, self.folder / "reals.png")
            self.show(trainer, pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, *_: Any) -> None:
        if pl_module.clock.crossed(self.interval):
            self.show(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.show(trainer, pl_module)

    @torch.no_grad()
    def show(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Write the previews of this moment, once."""
        seen = system.clock.images_seen
        if seen == self.shown or not trainer.is_global_zero:
            return
        self.shown = seen
        for name, images in system.preview_images(self.references).items():
            self.write(trainer, seen, name, images.cpu(), self.folder / f"{name}_{seen:09d}.png")

    def write(self, trainer: L.Trainer, seen: int, name: str, images: Tensor, path: Path) -> None:
        """Write a grid in the background, and log it."""

        def job() -> None:
            save_grid(images, path)
            record_picture(trainer, seen, name, path)

        self.writer.submit(job, optional="previews")
