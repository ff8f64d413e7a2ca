"""Logs values and pictures to all loggers, with images seen as the step."""

from pathlib import Path

import lightning as L

from ganlab.callbacks.tracker import Tracker
from ganlab.systems.adversarial import AdversarialSystem


def record(trainer: L.Trainer, system: AdversarialSystem, values: dict[str, float]) -> None:
    """Log values, with images seen and the steps of each player."""
    clock = system.clock
    steps = {f"steps/{name}": float(count) for name, count in clock.steps.items()}
    for logger in trainer.loggers:
        logger.log_metrics({"images_seen": float(clock.images_seen), **steps, **values}, step=clock.images_seen)


def record_picture(trainer: L.Trainer, step: int, name: str, path: Path) -> None:
    """Log the picture at ``path`` to W&B and TensorBoard."""
    for logger in trainer.loggers:
        if isinstance(logger, Tracker):
            logger.log_picture(f"samples/{name}", path, step)
