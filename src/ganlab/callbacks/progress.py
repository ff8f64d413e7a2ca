"""Progress of a run: losses, speed and time left, and at its start whether the recipe suits the machine."""

import sys
import time
from typing import Any

import lightning as L
from tqdm import tqdm

from ganlab.callbacks.evaluations import Evaluations
from ganlab.callbacks.metric_logger import MetricLogger
from ganlab.systems.adversarial import AdversarialSystem

SHORT = {"loss/discriminator": "D", "loss/generator": "G"}
SECONDS_BETWEEN_LINES = 15.0  # where the output is not a terminal
SMALL = "small"
LARGER = ("lsun_bedrooms", "faces", "imagenet32", "svhn", "paper", "dcgan_modern")  # recipes for a GPU
LONG = 3600.0  # seconds


class Progress(L.Callback):
    """Shows each player's loss, images/s, the score and the time left: a bar on a terminal, else a line every 15 s.

    Both end with the last state. Speed and time left are those of the whole run, evaluations included.
    """

    def __init__(self, max_images: int | None, metric_logger: MetricLogger, evaluations: Evaluations | None) -> None:
        self.max_images, self.metric_logger, self.evaluations = max_images, metric_logger, evaluations
        self.bar: tqdm | None = None
        self.printed_at = 0.0
        self.started = (0.0, 0)  # time, and images seen by then

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if trainer.is_global_zero:
            self.bar = tqdm(
                total=self.max_images,
                initial=pl_module.clock.images_seen,
                unit=" images",
                unit_scale=True,
                dynamic_ncols=True,
                smoothing=0,  # the mean rate
                mininterval=0.5,
                disable=not sys.stderr.isatty(),
            )
            self.printed_at = time.monotonic()
            self.started = (self.printed_at, pl_module.clock.images_seen)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, *_: Any) -> None:
        if self.bar is None:
            return
        clock = pl_module.clock
        seen = clock.images_seen if self.max_images is None else min(clock.images_seen, self.max_images)
        self.bar.update(seen - self.bar.n)
        if clock.crossed(self.metric_logger.interval):
            self.bar.set_postfix_str(self.status(), refresh=False)
            if self.bar.disable and time.monotonic() - self.printed_at > SECONDS_BETWEEN_LINES:
                self.printed_at = time.monotonic()
                print(self.line(clock.images_seen), file=sys.stderr, flush=True)

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if self.bar is not None:
            if self.bar.disable:
                print(self.line(pl_module.clock.images_seen), file=sys.stderr, flush=True)
            self.bar.set_postfix_str(self.status(), refresh=False)
            self.bar.close()  # leaves its last state on the terminal
            self.bar = None

    def on_exception(self, trainer: L.Trainer, pl_module: AdversarialSystem, exception: BaseException) -> None:
        self.on_train_end(trainer, pl_module)

    def status(self) -> str:
        """Return losses and score, such as ``D 1.02, G 1.31, fid_digits 4.2``."""
        values = self.metric_logger.latest.items()
        losses = {SHORT.get(key, key.removeprefix("loss/")): value for key, value in values if key.startswith("loss/")}
        if self.evaluations and (score := self.evaluations.evaluator.score_name) in self.evaluations.latest:
            losses[score] = self.evaluations.latest[score]
        return ", ".join(f"{name} {value:.3g}" for name, value in losses.items())

    def line(self, seen: int) -> str:
        """Return images seen, images/s, the time left and the status."""
        since, before = self.started
        rate = (seen - before) / max(time.monotonic() - since, 1e-9)
        remaining = max((self.max_images or 0) - seen, 0)
        left = f", {remaining / rate / 60:.1f} min left" if remaining and rate else ""
        of = f" of {self.max_images:,}" if self.max_images else ""
        return f"{seen:,}{of} images, {rate:,.0f} images/s{left}: {self.status()}".removesuffix(": ")


class Outlook(L.Callback):
    """Prints at the start where recipe and machine do not suit each other: hours on a CPU, or a GPU that idles."""

    def __init__(self, recipe: str, max_images: int | None, command: str) -> None:
        self.recipe, self.max_images, self.command = recipe, max_images, command
        self.steps, self.began = 0, 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if trainer.is_global_zero and self.recipe == SMALL and pl_module.device.type == "cuda":
            print(f"{SMALL} is made for two CPU cores; for this GPU: experiment={', '.join(LARGER)}", file=sys.stderr)

    def on_train_batch_start(self, *_: Any) -> None:
        self.began = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, *_: Any) -> None:
        self.steps += 1
        if self.steps == 2 and trainer.is_global_zero and pl_module.device.type == "cpu":  # the first one warms up
            clock, seconds = pl_module.clock, time.monotonic() - self.began
            if line := self.line(seconds / (clock.images_seen - clock.previous), clock.images_seen):
                tqdm.write(line, file=sys.stderr)

    def line(self, seconds: float, seen: int) -> str:
        """Return the estimate of a long run, at so many seconds an image; empty for a short one."""
        left = seconds * (self.max_images - seen) if self.max_images else 0.0
        if self.recipe == SMALL or left < LONG:
            return ""
        faster = f"; in minutes: {self.command}" if self.command else ""
        return f"{self.recipe} will take about {left / 3600:,.0f} hours on this CPU{faster}"
