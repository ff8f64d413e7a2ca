"""MetricLogger: the players' losses, averaged on the device and logged at an interval."""

import time
from typing import Any

import lightning as L
import torch
from torch import Tensor

from ganlab.callbacks.record import record
from ganlab.systems.adversarial import AdversarialSystem


class MetricLogger(L.Callback):
    """Averages every term that the training step returns and logs the means every ``interval`` images.

    Sums stay on the device and are fetched once per interval, so no step waits for them. ``latest`` holds the last
    means, and ``images/s`` since the log before, evaluations included.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.latest: dict[str, float] = {}
        self.since = (0.0, 0)

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.sums = {name: total.to(pl_module.device) for name, total in self.sums.items()}  # from a checkpoint
        self.since = (time.monotonic(), pl_module.clock.images_seen)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, outputs: Any, *_: Any) -> None:
        for name, value in outputs.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
        if pl_module.clock.crossed(self.interval):
            self.flush(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if self.counts:
            self.flush(trainer, pl_module)

    def flush(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Log the means and start again."""
        (before, images), now = self.since, time.monotonic()
        self.latest = {name: total / self.counts[name] for name, total in self.fetched().items()}
        self.latest["images/s"] = (system.clock.images_seen - images) / max(now - before, 1e-9)
        self.since = (now, system.clock.images_seen)
        self.sums, self.counts = {}, {}
        record(trainer, system, self.latest)

    def fetched(self) -> dict[str, float]:
        return dict(zip(self.sums, torch.stack([*self.sums.values()]).tolist(), strict=True)) if self.sums else {}

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.fetched(), "counts": dict(self.counts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.sums = {name: torch.tensor(total) for name, total in state_dict["sums"].items()}
        self.counts = dict(state_dict["counts"])
