"""Diagnostics: signals of training trouble, logged, and the alarms that they raise."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from math import isfinite
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from ganlab.arguments import Count, Natural, checked
from ganlab.callbacks.alarms import (
    SNAPSHOTS,
    Thresholds,
    collapsed,
    idle,
    inverted,
    not_converging,
    not_finite,
    oscillates,
    vanished,
)
from ganlab.callbacks.checkpoints import Checkpoints
from ganlab.callbacks.evaluations import Evaluations
from ganlab.callbacks.metric_logger import MetricLogger
from ganlab.callbacks.record import record
from ganlab.callbacks.sample_statistics import SampleStatistics
from ganlab.errors import UserError
from ganlab.metrics.extractors.digits import DigitsFeatures
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.update import DISCRIMINATOR, GENERATOR

KEPT = 32  # last values of a signal's history
PLAIN = ("untrained", "tripped", "gradients", "watched", "sampled", "scored")  # attributes saved as they are
Findings = dict[str, str | None]  # by alarm: its message, None where there is no trouble


@checked
class Diagnostics(L.Callback):
    """Logs gradient norms and statistics of samples, and raises the alarms of `ganlab.callbacks.alarms`.

    Each alarm is raised once in a run: a line on the console, ``alarm/<name>`` in the logs, an entry in ``tripped``.
    Gradients are those that the optimisers apply, after clipping. With several tasks, signals and alarms of samples end
    in ``/<task>``. This callback comes after ``metric_logger`` and ``evaluations``.
    """

    def __init__(
        self,
        samples: Sequence[SampleStatistics],  # one per task of the system
        interval: Count | None,  # images between two measurements of samples
        metric_logger: MetricLogger,  # gives interval and means of the other signals
        evaluations: Evaluations | None,  # gives score and classifier, None without metrics
        checkpoints: Checkpoints,  # saves before training is stopped
        *,
        on_trouble: Literal["warn", "stop"] | None,  # ``stop`` ends training with a `UserError`
        warm_up: Natural,  # generator steps before any alarm except that of non-finite numbers
        **thresholds: float,
    ) -> None:
        self.samples, self.interval, self.metric_logger = samples, interval, metric_logger
        self.evaluations, self.checkpoints = evaluations, checkpoints
        self.on_trouble, self.warm_up, self.limits = on_trouble, warm_up, Thresholds(**thresholds)
        self.history: dict[str, list[Any]] = defaultdict(list)
        self.untrained: float | None = None  # score before the first step
        self.tripped: list[dict[str, Any]] = []  # name, images seen and message of each alarm
        self.first_bad = torch.zeros((), dtype=torch.long)  # first minibatch with a non-finite term, 0 for none
        self.gradients_due: set[str] = set()
        self.gradients: dict[str, float] = {}
        self.watched = self.sampled = self.scored = -1  # images seen at the last minibatch, samples and score

    # When signals are measured

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.watch(trainer, pl_module)

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: AdversarialSystem, batch: Any, *_: Any) -> None:
        seen, interval = pl_module.clock.images_seen, self.metric_logger.interval
        images = trainer.world_size * len(next(iter(batch.values())))
        if interval and (seen + images) // interval > seen // interval:
            self.gradients_due = set(pl_module.players)

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: AdversarialSystem, optimizer: Optimizer) -> None:
        """Measure each player's gradient in the minibatch before a log, or at its first step after it."""
        if self.gradients_due:
            player = list(pl_module.players)[trainer.optimizers.index(optimizer)]
            if player in self.gradients_due:
                self.gradients_due.remove(player)
                self.gradients |= gradient_norms(player, pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: AdversarialSystem, outputs: Any, *_: Any) -> None:
        self.note_finite(outputs, pl_module.clock.minibatches)
        self.watch(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        self.check(trainer, pl_module, samples=self.sampled != pl_module.clock.images_seen)

    def watch(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Measure what is due at this number of images, once."""
        clock, seen = system.clock, system.clock.images_seen
        if seen != self.watched:
            terms = seen > 0 and clock.crossed(self.metric_logger.interval)
            self.check(trainer, system, samples=seen == 0 or clock.crossed(self.interval), terms=terms)

    def check(self, trainer: L.Trainer, system: AdversarialSystem, samples: bool, terms: bool = False) -> None:
        """Measure samples and terms if asked, and the score if it is new; raise the alarms."""
        found = [self.check_samples(trainer, system)] if samples else []
        found += [self.check_terms(trainer, system)] if terms else []
        found += [self.check_score(system)] if self.score_is_new(system) else []
        self.watched = system.clock.images_seen
        self.raise_alarms(trainer, system, found)

    # What is measured

    def note_finite(self, terms: dict[str, Tensor], minibatch: int) -> None:
        """Remember the first minibatch with a non-finite term, on the device: nothing is fetched."""
        total = torch.stack([value.float() for value in terms.values()]).sum()
        first_bad = self.first_bad.to(total.device)
        self.first_bad = torch.where((first_bad == 0) & ~total.isfinite(), minibatch, first_bad)

    def check_terms(self, trainer: L.Trainer, system: AdversarialSystem) -> Findings:
        """Log the gradients, and check the means of the last log."""
        latest, seen = self.metric_logger.latest, system.clock.images_seen
        record(trainer, system, self.gradients)
        bad = [name for name, value in latest.items() if not isfinite(value)]
        first = int(self.first_bad) if bad else 0
        slopes = signals(latest, "slope", players(system, GENERATOR))
        if self.is_warm(system) and slopes:
            self.note("slope", min(slopes))
        return {
            "not_finite": not_finite(bad, first, seen) if first else None,
            "vanishing_gradient": vanished(self.history["slope"], self.limits),
        }

    @torch.no_grad()
    def check_samples(self, trainer: L.Trainer, system: AdversarialSystem) -> Findings:
        """Measure samples, log the values, and compare them with earlier ones."""
        self.sampled, found = system.clock.images_seen, Findings()
        features = self.evaluations.evaluator.features if self.evaluations else None
        classifier = features if isinstance(features, DigitsFeatures) else None
        for statistics in self.samples:
            values, of = statistics.measure(system, classifier), f"/{statistics.task}" if statistics.task else ""
            if not values:
                continue
            record(trainer, system, {f"{name}{of}": value for name, value in values.items()})
            if self.is_warm(system):
                self.note(f"mean{of}", statistics.mean, keep=SNAPSHOTS)
                self.note(f"diversity{of}", values["diversity"])
                self.note(f"coverage{of}", values.get("coverage"))
            diversity, coverage, means = (self.history[f"{name}{of}"] for name in ("diversity", "coverage", "mean"))
            found[f"mode_collapse{of}"] = collapsed(diversity, coverage, self.limits)
            found[f"oscillation{of}"] = oscillates(means, self.limits)
            cycle = sum(value for name, value in self.metric_logger.latest.items() if "/cycle/" in name)
            if cycle and "correlation" in values and self.is_warm(system):
                self.note(f"correlation{of}", values["correlation"])
                self.note(f"cycle{of}", cycle)
                found[f"inversion{of}"] = inverted(self.history[f"correlation{of}"])
                found[f"idle{of}"] = idle(means, self.history[f"cycle{of}"])
        return found

    def score_is_new(self, system: AdversarialSystem) -> bool:
        """Whether there is a score of this moment that was not checked yet."""
        if self.evaluations is None or self.evaluations.evaluator.score_name is None:
            return False
        falls = not self.evaluations.evaluator.score_rises  # the alarm is about scores that should fall
        return falls and self.evaluations.measured == system.clock.images_seen != self.scored

    def check_score(self, system: AdversarialSystem) -> Findings:
        assert self.evaluations is not None
        seen, name = system.clock.images_seen, self.evaluations.evaluator.score_name
        assert name is not None
        self.scored, score = seen, self.evaluations.latest[name]
        if seen == 0:
            self.untrained = score
        elif self.is_warm(system):
            self.note("score", score, keep=None)
        accuracies = signals(self.metric_logger.latest, "accuracy", players(system, DISCRIMINATOR))
        scores, accuracy = self.history["score"], max(accuracies, default=None)
        return {"non_convergence": not_converging(scores, self.untrained, accuracy, name, self.limits)}

    def is_warm(self, system: AdversarialSystem) -> bool:
        """Whether every generating player has taken ``warm_up`` steps."""
        return min(system.clock.steps[player] for player in players(system, GENERATOR)) >= self.warm_up

    def note(self, signal: str, value: Any, keep: int | None = KEPT) -> None:
        """Add a value to a signal's history, of which the last ``keep`` stay."""
        self.history[signal] = [*self.history[signal], value][-keep if keep else None :]

    # What follows

    def raise_alarms(self, trainer: L.Trainer, system: AdversarialSystem, found: list[Findings]) -> None:
        """Raise the alarms that have a message, each once in a run; all ranks call it, and rank 0 decides."""
        if not found:
            return
        messages = {name: message for each in found for name, message in each.items()}
        if trainer.world_size > 1:
            messages = trainer.strategy.broadcast(messages)
        before, seen = {alarm["name"] for alarm in self.tripped}, system.clock.images_seen
        new = {name: message for name, message in messages.items() if message is not None and name not in before}
        if not new:
            return
        self.tripped += [{"name": name, "images_seen": seen, "sentence": new[name]} for name in new]
        record(trainer, system, {f"alarm/{name}": 1.0 for name in new})
        if self.on_trouble == "stop":
            with suppress(UserError):  # of a state that is not finite
                self.checkpoints.save(trainer, system)
            raise UserError(
                f"stopped after {seen:,} images: {'; '.join(new.values())}. To train on regardless: "
                "diagnostics.on_trouble=warn"
            )
        if trainer.is_global_zero:
            for message in new.values():
                print(f"trouble at {seen:,} images: {message}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        return {name: copy(getattr(self, name)) for name in PLAIN} | {
            "history": {name: list(values) for name, values in self.history.items()},
            "first_bad": int(self.first_bad),
            "gradients_due": sorted(self.gradients_due),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name in PLAIN:
            setattr(self, name, copy(state_dict[name]))
        self.history = defaultdict(list, {name: list(values) for name, values in state_dict["history"].items()})
        self.gradients_due = set(state_dict["gradients_due"])
        self.first_bad = torch.tensor(state_dict["first_bad"])


def players(system: AdversarialSystem, role: str) -> dict[str, tuple[str, ...]]:
    """Return the networks of each player of a role."""
    return {name: player.networks for name, player in system.players.items() if player.role == role}


def signals(latest: dict[str, float], signal: str, of: dict[str, tuple[str, ...]]) -> list[float]:
    """Return a signal's means, logged by the names of players or of their networks."""
    names = dict.fromkeys(name for player, networks in of.items() for name in (player, *networks))
    return [latest[key] for name in names if (key := f"{name}/{signal}") in latest]


def gradient_norms(player: str, system: AdversarialSystem) -> dict[str, float]:
    """Return the norm of a player's gradient, ``gradient/<player>``, and those of its kernels and matrices.

    These are ``gradient/<player>/<module>``, or ``gradient/<player>/<network>/<module>`` for several networks.
    """
    networks = system.players[player].networks
    gradients: dict[str, Tensor] = {}
    for network in networks:
        prefix = f"{network}/" if len(networks) > 1 else ""
        held = system.networks[network].named_parameters()
        gradients |= {f"{prefix}{name}": weight.grad for name, weight in held if weight.grad is not None}
    if not gradients:
        return {}
    norms = torch.stack([gradient.float().norm() for gradient in gradients.values()])
    total, *each = torch.cat([norms.norm()[None], norms]).tolist()  # one wait for the device
    layers = {
        f"gradient/{player}/{name.removesuffix('.weight').split('.parametrizations.')[0]}": norm
        for (name, gradient), norm in zip(gradients.items(), each, strict=True)
        if gradient.ndim > 1
    }
    return {f"gradient/{player}": total} | layers
