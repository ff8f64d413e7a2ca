"""Diagnostics: what goes wrong with GANs, measured while training and said in a sentence."""

from collections import defaultdict
from functools import cached_property
from math import isfinite
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from ganlab.arguments import Natural, checked
from ganlab.callbacks import alarms
from ganlab.callbacks.alarms import Thresholds
from ganlab.callbacks.checkpoints import Checkpoints
from ganlab.callbacks.evaluations import Evaluations
from ganlab.callbacks.metric_logger import MetricLogger
from ganlab.callbacks.record import record
from ganlab.errors import UserError
from ganlab.metrics.diversity import dissimilarity
from ganlab.metrics.extractors.digits import DigitsFeatures
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.update import DISCRIMINATOR, GENERATOR

LOOK = 128  # samples of one look
LEAST_SIDE = 8  # pixels: smaller images have no structure to compare
CONFIDENT = 0.9  # a classifier's word counts
KEPT = 32  # last values of a signal's history
Sentences = dict[str, str | None]  # by alarm: what it has to say


@checked
class Diagnostics(L.Callback):
    """Logs gradient norms, diversity and class shares of samples, and trips the alarms of `ganlab.callbacks.alarms`.

    Each alarm trips once in a run: a line on the console, ``alarm/<name>`` in the logs, an entry in ``tripped``.
    Gradients are those that the optimisers apply, after clipping.

    Args:
        reals: real images uint8 (N, C, H, W) to compare samples with.
        labels: of the reals (N,), where samples have classes: samples of a class are then compared with each other.
        interval: images between two looks at samples.
        metric_logger: whose interval and means the other signals follow; it comes before this callback.
        evaluations: whose score and classifier to use; None without metrics. They come before as well.
        checkpoints: saves before training is stopped.
        on_trouble: ``warn``, or ``stop`` to end training with a `UserError`.
        warm_up: steps of the generator before anything counts but numbers that are not finite.
        **thresholds: of `Thresholds`.

    Attributes:
        tripped: name, images seen and sentence of each alarm.
    """

    def __init__(
        self,
        reals: Tensor,
        labels: Tensor | None,
        interval: int | None,
        metric_logger: MetricLogger,
        evaluations: Evaluations | None,
        checkpoints: Checkpoints,
        *,
        on_trouble: Literal["warn", "stop"] | None,
        warm_up: Natural,
        **thresholds: float,
    ) -> None:
        order = slice(0, LOOK) if labels is None else labels[:LOOK].argsort(stable=True)
        self.reals, self.labels = reals[:LOOK][order], None if labels is None else labels[:LOOK][order]
        self.interval, self.metric_logger, self.evaluations = interval, metric_logger, evaluations
        self.checkpoints, self.on_trouble, self.warm_up = checkpoints, on_trouble, warm_up
        self.limits = Thresholds(**thresholds)
        self.history: dict[str, list[Any]] = defaultdict(list)
        self.untrained: float | None = None  # score before the first step
        self.tripped: list[dict[str, Any]] = []
        self.first_bad: Tensor | None = None  # on the device: since which minibatch a term is not finite, 0 for none
        self.gradients_due: set[str] = set()
        self.gradients: dict[str, float] = {}
        self.watched = self.looked = self.judged = -1  # images seen at the last minibatch, look, and score

    # When things are measured

    def on_train_start(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        """Look at the untrained generator, or take up what was due when a run was stopped."""
        self.watch(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: AdversarialSystem, batch: Any, batch_idx: int
    ) -> None:
        seen, interval = pl_module.clock.images_seen, self.metric_logger.interval
        images = trainer.world_size * len(next(iter(batch.values())))
        if interval and (seen + images) // interval > seen // interval:
            self.gradients_due = set(pl_module.players)

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        """Measure the gradients of a player's step in the minibatch before a log, or in the first one after it."""
        if self.gradients_due:
            assert isinstance(pl_module, AdversarialSystem)
            name = list(pl_module.players)[trainer.optimizers.index(optimizer)]
            if name in self.gradients_due:
                self.gradients_due.remove(name)
                self.gradients |= gradient_norms(name, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: AdversarialSystem, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.note_finite(outputs, pl_module.clock.minibatches)
        self.watch(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: AdversarialSystem) -> None:
        found: list[Sentences] = []
        if self.looked != pl_module.clock.images_seen:
            found.append(self.look(trainer, pl_module))
        if self.score_is_fresh(pl_module):
            found.append(self.judge_score(pl_module))
        self.sound(trainer, pl_module, found)

    def watch(self, trainer: L.Trainer, system: AdversarialSystem) -> None:
        """Do what is due after this many images, once."""
        clock, found = system.clock, list[Sentences]()
        if clock.images_seen == self.watched:
            return
        if clock.images_seen == 0 or clock.crossed(self.interval):
            found.append(self.look(trainer, system))
        if clock.images_seen > 0 and clock.crossed(self.metric_logger.interval):
            found.append(self.take_stock(trainer, system))
        if self.score_is_fresh(system):
            found.append(self.judge_score(system))
        self.watched = clock.images_seen
        self.sound(trainer, system, found)

    # What is measured

    def note_finite(self, terms: dict[str, Tensor], minibatch: int) -> None:
        """Remember on the device when a term first was not finite; nothing is fetched."""
        total = torch.stack([value.float() for value in terms.values()]).sum()
        if self.first_bad is None:
            self.first_bad = torch.zeros((), dtype=torch.long, device=total.device)
        first_bad = self.first_bad.to(total.device)
        self.first_bad = torch.where((first_bad == 0) & ~total.isfinite(), minibatch, first_bad)

    def take_stock(self, trainer: L.Trainer, system: AdversarialSystem) -> Sentences:
        """Log the gradients, and judge what is known at every log."""
        latest, seen = self.metric_logger.latest, system.clock.images_seen
        record(trainer, system, self.gradients)
        bad = [name for name, value in latest.items() if not isfinite(value)]
        first = int(self.first_bad) if bad and self.first_bad is not None else 0
        if self.warm(system) and (slope := latest.get(f"{GENERATOR}/slope")) is not None:
            self.note("slope", slope)
        return {
            "not_finite": alarms.not_finite(bad, first, seen) if first else None,
            "vanishing_gradient": alarms.vanished(self.history["slope"], self.limits),
        }

    @torch.no_grad()
    def look(self, trainer: L.Trainer, system: AdversarialSystem) -> Sentences:
        """Compare samples, of the same latents every time, with real images and with the looks before."""
        self.looked = system.clock.images_seen
        samples = system.generation_batch(0, len(self.reals), system.seed, self.labels)
        if min(samples.shape[2:]) < LEAST_SIDE:
            return {}
        self.reals = self.reals.to(samples.device)
        values = {"diversity": dissimilarity(samples) / max(self.real_dissimilarity, 1e-6)}
        if (shares := self.class_shares(samples)) and (present := self.real_classes):
            values |= shares | {"coverage": sum(shares[name] > 0 for name in present) / len(present)}
        record(trainer, system, values)
        if self.warm(system):
            mean = samples.float().mean(0).flatten() / self.real_deviation
            self.note("mean", mean.cpu(), keep=alarms.SNAPSHOTS)
            self.note("diversity", values["diversity"])
            self.note("coverage", values.get("coverage"))
        return {
            "mode_collapse": alarms.collapsed(self.history["diversity"], self.history["coverage"], self.limits),
            "oscillation": alarms.oscillates(self.history["mean"], self.limits),
        }

    @cached_property
    def real_dissimilarity(self) -> float:
        """How much two real images differ."""
        return dissimilarity(self.reals)

    @cached_property
    def real_deviation(self) -> Tensor:
        """Mean distance of a real image from their mean, in grey levels."""
        reals = self.reals.float()
        return reals.sub(reals.mean(0)).flatten(1).norm(dim=1).mean().clamp_min(1.0)

    @cached_property
    def real_classes(self) -> list[str]:
        """The classes that occur among the real images; none where the classifier cannot tell."""
        return [name for name, share in (self.class_shares(self.reals) or {}).items() if share > 0]

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

    def score_is_fresh(self, system: AdversarialSystem) -> bool:
        """Whether there is a score of this moment that was not judged yet."""
        if self.evaluations is None or self.evaluations.evaluation.score_name is None:
            return False
        return self.evaluations.measured == system.clock.images_seen != self.judged

    def judge_score(self, system: AdversarialSystem) -> Sentences:
        """Compare a fresh score with those before."""
        assert self.evaluations is not None
        seen, name = system.clock.images_seen, self.evaluations.evaluation.score_name
        assert name is not None
        self.judged, score = seen, self.evaluations.latest[name]
        if seen == 0:
            self.untrained = score
        elif self.warm(system):
            self.note("score", score, keep=None)
        accuracy = self.metric_logger.latest.get(f"{DISCRIMINATOR}/accuracy")
        sentence = alarms.not_converging(self.history["score"], self.untrained, accuracy, name, self.limits)
        return {"non_convergence": sentence}

    def warm(self, system: AdversarialSystem) -> bool:
        """Whether the generator has taken enough steps for its samples to mean anything."""
        return system.clock.steps[GENERATOR] >= self.warm_up

    def note(self, signal: str, value: Any, keep: int | None = KEPT) -> None:
        """Add a value to a signal's history, of which the last ``keep`` stay."""
        self.history[signal] = [*self.history[signal], value][-keep if keep else None :]

    # What comes of it

    def sound(self, trainer: L.Trainer, system: AdversarialSystem, found: list[Sentences]) -> None:
        """Sound the alarms that have something to say, each once a run; all ranks call it, and rank 0 decides."""
        if not found:
            return
        sentences = {name: sentence for each in found for name, sentence in each.items()}
        if trainer.world_size > 1:
            sentences = trainer.strategy.broadcast(sentences)
        before, seen = {alarm["name"] for alarm in self.tripped}, system.clock.images_seen
        new = {name: sentence for name, sentence in sentences.items() if sentence is not None and name not in before}
        if not new:
            return
        self.tripped += [{"name": name, "images_seen": seen, "sentence": new[name]} for name in new]
        record(trainer, system, {f"alarm/{name}": 1.0 for name in new})
        if self.on_trouble == "stop":
            if not system.non_finite_players():
                self.checkpoints.save(trainer, system)
            raise UserError(
                f"stopped after {seen:,} images: {'; '.join(new.values())}. To go on all the same: "
                "diagnostics.on_trouble=warn"
            )
        if trainer.is_global_zero:
            for sentence in new.values():
                print(f"trouble at {seen:,} images: {sentence}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        return {
            "history": {name: list(values) for name, values in self.history.items()},
            "untrained": self.untrained,
            "tripped": list(self.tripped),
            "first_bad": 0 if self.first_bad is None else int(self.first_bad),
            "gradients": dict(self.gradients),
            "gradients_due": sorted(self.gradients_due),
            "watched": self.watched,
            "looked": self.looked,
            "judged": self.judged,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = defaultdict(list, {name: list(values) for name, values in state_dict["history"].items()})
        self.untrained, self.gradients = state_dict["untrained"], dict(state_dict["gradients"])
        self.tripped, self.gradients_due = list(state_dict["tripped"]), set(state_dict["gradients_due"])
        self.watched, self.looked, self.judged = (state_dict[key] for key in ("watched", "looked", "judged"))
        self.first_bad = torch.tensor(state_dict["first_bad"])


def gradient_norms(player: str, system: AdversarialSystem) -> dict[str, float]:
    """Return the norm of a player's gradient, whole and by layer (kernels and matrices), under ``gradient/``."""
    norms = {
        name: parameter.grad.float().norm()
        for network in system.players[player].networks
        for name, parameter in system.networks[network].named_parameters()
        if parameter.grad is not None
    }
    if not norms:
        return {}
    each = torch.stack(list(norms.values()))
    whole, *fetched = torch.cat([each.norm()[None], each]).tolist()  # one wait for the device
    layers = {
        name.removesuffix(".weight").split(".parametrizations.")[0]: norm
        for name, norm in zip(norms, fetched, strict=True)
        if system.networks[player].get_parameter(name).ndim > 1
    }
    return {f"gradient/{player}": whole} | {f"gradient/{player}/{name}": norm for name, norm in layers.items()}
