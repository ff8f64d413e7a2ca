"""Diagnostics: what goes wrong with GANs, measured while training and said in a sentence."""

from collections import defaultdict
from math import isfinite
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from ganlab.callbacks import alarms
from ganlab.callbacks.alarms import Thresholds
from ganlab.callbacks.checkpoints import Checkpoints
from ganlab.callbacks.evaluations import Evaluations
from ganlab.callbacks.meter import Meter
from ganlab.callbacks.record import record
from ganlab.errors import UserError
from ganlab.metrics.diversity import dissimilarity
from ganlab.metrics.features import DigitsFeatures
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.update import DISCRIMINATOR, GENERATOR

LOOK = 128  # samples of one look
CONFIDENT = 0.9  # a classifier's word counts


class Diagnostics(L.Callback):
    """Logs gradient norms, diversity and class shares of samples, and trips the alarms of `ganlab.callbacks.alarms`.

    Each alarm trips once in a run: a line on the console, ``alarm/<name>`` in the logs, an entry in ``tripped``.

    Args:
        reals: real images uint8 (N, C, H, W) to compare samples with.
        interval: images between two looks at samples.
        meter: whose interval and means the other signals follow; it comes before this callback.
        evaluations: whose score and classifier to use; None without metrics. They come before as well.
        checkpoints: saves before training is stopped.
        on_trouble: ``warn``, or ``stop`` to end training with a `UserError`.
        warm_up: images seen before any alarm but that of numbers that are not finite.
        **thresholds: of `Thresholds`.

    Attributes:
        tripped: name, images seen and sentence of each alarm.
    """

    def __init__(
        self,
        reals: Tensor,
        interval: int | None,
        meter: Meter,
        evaluations: Evaluations | None,
        checkpoints: Checkpoints,
        *,
        on_trouble: str,
        warm_up: int,
        **thresholds: float,
    ) -> None:
        if on_trouble not in ("warn", "stop"):
            raise UserError(f"diagnostics.on_trouble={on_trouble} is not known: take warn or stop, or diagnostics=none")
        self.reals, self.interval, self.meter, self.evaluations = reals, interval, meter, evaluations
        self.checkpoints, self.on_trouble, self.warm_up = checkpoints, on_trouble, warm_up
        self.limits = Thresholds(**thresholds)
        self.history: dict[str, list[Any]] = defaultdict(list)
        self.tripped: list[dict[str, Any]] = []
        self.first_bad: Tensor | None = (
            None  # the minibatch since which a term is not finite, 0 for none; on the device
        )
        self.gradients_due: set[str] = set()
        self.gradients: dict[str, float] = {}

    # What is measured, and when

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        if pl_module.clock.images_seen == 0:
            self.gradients_due = set(pl_module.players)
            self.look(trainer, pl_module)
            self.judge_score(trainer, pl_module)

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Measure the gradients of each player's first step after a log."""
        if self.gradients_due:
            assert isinstance(pl_module, AdversarialSystem)
            name = list(pl_module.players)[trainer.optimizers.index(optimizer)]
            if name in self.gradients_due:
                self.gradients_due.remove(name)
                self.gradients |= gradient_norms(name, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: AdversarialSystem, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        clock = pl_module.clock
        self.note_finite(outputs, clock.minibatches)
        if clock.crossed(self.meter.interval):
            self.take_stock(trainer, pl_module)
        if clock.crossed(self.interval):
            self.look(trainer, pl_module)
        self.judge_score(trainer, pl_module)

    def note_finite(self, terms: dict[str, Tensor], minibatch: int) -> None:
        """Remember on the device when a term first was not finite; nothing is fetched."""
        total = torch.stack([value.float() for value in terms.values()]).sum()
        if self.first_bad is None:
            self.first_bad = torch.zeros((), dtype=torch.long, device=total.device)
        self.first_bad = torch.where((self.first_bad == 0) & ~total.isfinite(), minibatch, self.first_bad)

    def take_stock(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Log the gradients, and judge what is known at every log."""
        latest, seen = self.meter.latest, system.clock.images_seen
        bad = [name for name, value in latest.items() if not isfinite(value)]
        if bad and self.first_bad is not None:
            sentence = alarms.not_finite(bad, int(self.first_bad), seen)
            self.trip(trainer, system, "not_finite", sentence, always=True)
        record(trainer, system, self.gradients)
        self.note("gradient", self.gradients.get(f"gradient/{GENERATOR}"))
        self.note("accuracy", latest.get(f"{DISCRIMINATOR}/accuracy"))
        self.gradients_due = set(system.players)
        self.trip(trainer, system, "vanishing_gradient", alarms.vanished(self.history["gradient"], self.limits))
        self.trip(trainer, system, "non_convergence", alarms.discriminator_wins(self.history["accuracy"], self.limits))

    @torch.no_grad()
    def look(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Compare samples, of the same latents every time, with real images and with the looks before."""
        samples, reals = system.generation_batch(0, LOOK, system.seed).cpu(), self.reals[:LOOK]
        values = {"diversity": dissimilarity(samples) / max(dissimilarity(reals), 1e-6)}
        self.note("diversity", values["diversity"])
        deviation = reals.float().sub(reals.float().mean(0)).flatten(1).norm(dim=1).mean().clamp_min(1.0)
        self.note("mean", samples.float().mean(0).flatten() / deviation)
        if (shares := self.class_shares(samples)) and (real_shares := self.class_shares(reals)):
            present = [name for name, share in real_shares.items() if share > 0]
            values |= shares | {"coverage": sum(shares[name] > 0 for name in present) / len(present)}
            self.note("coverage", values["coverage"])
        record(trainer, system, values)
        alike = alarms.collapsed(self.history["diversity"], self.history["coverage"], self.limits)
        self.trip(trainer, system, "mode_collapse", alike)
        self.trip(trainer, system, "oscillation", alarms.oscillates(self.history["mean"], self.limits))

    def class_shares(self, images: Tensor) -> dict[str, float] | None:
        """Return the share of each class among the images that the classifier is sure of; None where these are few."""
        features = self.evaluations.evaluation.features if self.evaluations else None
        if not isinstance(features, DigitsFeatures):
            return None
        probabilities = features.classify(images.to(next(features.parameters()).device))
        confidence, classes = probabilities.max(dim=1)
        sure = classes[confidence > CONFIDENT]
        if len(sure) < len(images) / 4:
            return None
        counts = torch.bincount(sure, minlength=probabilities.shape[1]).tolist()
        return {f"classes/{number}": count / len(sure) for number, count in enumerate(counts)}

    def judge_score(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Compare a fresh score with those before."""
        if self.evaluations is None or self.evaluations.measured != system.clock.images_seen:
            return
        name = self.evaluations.evaluation.score_name
        if name is not None:
            self.note("score", self.evaluations.latest[name])
            self.trip(trainer, system, "non_convergence", alarms.falls_back(self.history["score"], name, self.limits))

    def note(self, signal: str, value: Any) -> None:
        """Add a value to a signal's history; the first and the last ones are kept."""
        if value is not None:
            values = self.history[signal]
            values.append(value)
            del values[1 : -alarms.REMEMBERED]

    # What comes of it

    def trip(
        self, trainer: L.Trainer, system: AdversarialSystem, name: str, sentence: str | None, always: bool = False
    ) -> None:
        """Sound an alarm that has something to say, once a run."""
        seen = system.clock.images_seen
        if trainer.world_size > 1:
            sentence = trainer.strategy.broadcast(sentence)  # means differ between ranks; all have to stop
        early = seen < self.warm_up and not always
        if sentence is None or early or any(alarm["name"] == name for alarm in self.tripped):
            return
        self.tripped.append({"name": name, "images_seen": seen, "sentence": sentence})
        record(trainer, system, {f"alarm/{name}": 1.0})
        if self.on_trouble == "stop":
            self.checkpoints.save(trainer, system)
            raise UserError(
                f"stopped after {seen:,} images: {sentence}. To go on all the same: diagnostics.on_trouble=warn"
            )
        if trainer.is_global_zero:
            print(f"trouble at {seen:,} images: {sentence}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        first_bad = 0 if self.first_bad is None else int(self.first_bad)
        return {
            "history": {name: list(values) for name, values in self.history.items()},
            "tripped": list(self.tripped),
            "first_bad": first_bad,
            "gradients": dict(self.gradients),
            "gradients_due": sorted(self.gradients_due),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = defaultdict(list, {name: list(values) for name, values in state_dict["history"].items()})
        self.tripped, self.gradients = list(state_dict["tripped"]), dict(state_dict["gradients"])
        self.gradients_due = set(state_dict["gradients_due"])
        if state_dict["first_bad"]:
            self.first_bad = torch.tensor(state_dict["first_bad"])


def gradient_norms(player: str, system: AdversarialSystem) -> dict[str, float]:
    """Return the norm of a player's gradient, whole and by layer (kernels and matrices), under ``gradient/``."""
    norms = {
        name: parameter.grad.float().norm()
        for name, parameter in system.networks[player].named_parameters()
        if parameter.grad is not None
    }
    if not norms:
        return {}
    whole = torch.stack(list(norms.values())).norm()
    layers = {
        name.removesuffix(".weight").split(".parametrizations.")[0]: norm
        for name, norm in norms.items()
        if system.networks[player].get_parameter(name).ndim > 1
    }
    return {f"gradient/{player}": float(whole)} | {f"gradient/{player}/{n}": float(v) for n, v in layers.items()}
