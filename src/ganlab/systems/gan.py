"""A generator of images from latents against one discriminator: the GAN of Goodfellow et al. and of DCGAN."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.networks.statistics import Averages, sampling, standing_averages
from ganlab.objectives.augmentations import Augmentation
from ganlab.objectives.losses import Objective
from ganlab.objectives.penalties import Judged, Penalty
from ganlab.systems.adversarial import AdversarialSystem, Batch, Player
from ganlab.systems.clock import generator_of
from ganlab.systems.images import Range, to_bytes, to_floats
from ganlab.systems.pool import ImagePool
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, UpdateRule

log = logging.getLogger(__name__)

GRID = 64  # latents of the fixed grid
ROWS = 16  # most classes of the grid of a conditional generator
STANDING_BATCH = 64  # images, of all classes, in a batch that standing statistics are averaged over
STANDING = 1  # stream of those batches' latents


class GAN(AdversarialSystem):
    """Two players, ``discriminator`` and ``generator``; both are given labels where the generator has ``classes``.

    Args:
        generator: with ``draw_latents``, ``value_range`` and ``sampling_statistics``, see `ganlab.networks.latents`.
        discriminator: images, or images and labels, to logits.
        optimizers: of the players, by name: each makes an optimiser from parameters.
        objective: losses of both players.
        update: see `ganlab.systems.update`.
        penalties: by name; terms added to the discriminator's loss, or bounds put on it.
        augmentations: applied in turn to all that the discriminator sees.
        joint: whether real and fake images pass the discriminator in one batch, with common batch statistics, instead
            of each in a batch of its own (authors' code).
        replay: past fakes that are kept for the discriminator, see `ImagePool`; 0 for none.
        **loop: ``seed``, ``accumulate``, ``half_life``, ``clip_norm``, ``schedule`` and ``channels_last`` of
            `AdversarialSystem`.

    Raises:
        ValueError: one network knows classes that the other does not.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: nn.Module,
        optimizers: Mapping[str, Callable],
        objective: Objective,
        update: UpdateRule,
        penalties: Mapping[str, Penalty] | None = None,
        augmentations: Iterable[Augmentation] = (),
        joint: bool = False,
        replay: int = 0,
        **loop: Any,
    ) -> None:
        players = {
            DISCRIMINATOR: Player(discriminator, optimizers[DISCRIMINATOR], generates=False),
            GENERATOR: Player(generator, optimizers[GENERATOR], generates=True),
        }
        super().__init__(players, update, **loop)
        self.objective, self.joint, self.pool = objective, joint, ImagePool(replay) if replay else None
        self.penalties, self.augmentations = nn.ModuleDict(penalties or {}), nn.ModuleList(augmentations)
        self.value_range: Range = generator.value_range
        for augmentation in self.augmentations:
            augmentation.value_range = self.value_range  # type: ignore[assignment]
        self.classes = getattr(generator, "classes", 0)
        if self.classes != (theirs := getattr(discriminator, "classes", 0)):
            raise ValueError(
                f"the generator has {self.classes} classes and the discriminator {theirs}: give both alike"
            )
        self._standing: tuple[tuple[int, ...], Any] = (), None

    def on_fit_start(self) -> None:
        """Say of a combination that it cannot work.

        Raises:
            UserError: a penalty would differentiate a compiled discriminator twice.
        """
        discriminator, penalties = self.networks[DISCRIMINATOR], self.penalties
        twice = self.differentiated_twice()
        if twice and any(module._compiled_call_impl is not None for module in discriminator.modules()):
            raise UserError(
                f"penalty={twice[0]} differentiates the discriminator twice, which torch.compile cannot: leave the "
                "discriminator uncompiled, or type penalty=none"
            )
        spectral = any(nn.utils.parametrize.is_parametrized(module) for module in discriminator.modules())
        if not (self.objective.bounded or penalties or spectral) and self.trainer.is_global_zero:
            log.warning(
                "This objective has no bound of its own, and the logits will grow without end: type penalty="
                "weight_clip, or penalty=gradient_penalty architecture.discriminator.normalization=none"
            )

    @property
    def generator(self) -> Any:
        """The network in training, not its average."""
        return self.networks[GENERATOR]

    def differentiated_twice(self) -> list[str]:
        """Name the penalties that differentiate the discriminator twice, which torch.compile cannot."""
        return [name for name, penalty in self.penalties.items() if penalty.twice]

    def check_labels(self, labels: np.ndarray | Tensor | None) -> None:
        """Raise ``UserError`` where a conditional network cannot be trained with the data's labels, all of them."""
        if not self.classes:
            return
        if labels is None:
            raise UserError(
                "the batches have no labels: take data that has them, with data.labels=true, or an unconditional "
                "architecture such as architecture=dcgan"
            )
        if labels.ndim != 1:
            raise UserError(
                f"the data has {labels.shape[1]} attributes an image, and conditional training needs one class: "
                f"type an unconditional architecture such as architecture=dcgan"
            )
        if (largest := int(labels.max())) >= self.classes or int(labels.min()) < 0:
            raise UserError(
                f"the data's labels go from {int(labels.min())} to {largest}, and the networks have {self.classes} "
                f"classes: type data.num_classes={largest + 1}"
            )

    def prepare(self, batch: Batch) -> Batch:
        """Convert uint8 (N, H, W, C) images to floats (N, C, H, W) in the generator's range."""
        if self.classes and ("labels" not in batch or batch["labels"].dim() != 1):
            self.check_labels(batch.get("labels"))
        return batch | {"images": to_floats(batch["images"], self.value_range)}

    def draw(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Add latents (N, latent_size) and, where there are classes, labels of the fakes (N,), drawn uniformly."""
        count = len(batch["images"]) * self.trainer.world_size
        batch = batch | {"latents": self.local(self.generator.draw_latents(count, rng))}
        return batch | {"fake_labels": self.local(self.draw_labels(count, rng))} if self.classes else batch

    def draw_labels(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw (count,) labels uniformly with a CPU generator."""
        return torch.randint(self.classes, (count,), generator=rng)

    def generate(self, batch: Batch) -> Batch:
        """Map latents, and labels, to images."""
        return {"images": self.trained(GENERATOR)(batch["latents"], *self.condition(batch.get("fake_labels")))}

    def condition(self, labels: Tensor | None) -> tuple[Tensor, ...]:
        """Return what a network is given beside its first argument: labels where there are classes."""
        return (labels,) if self.classes and labels is not None else ()

    def judge(self, images: Tensor, labels: Tensor | None = None, compiled: bool = True) -> Tensor:
        """Return the discriminator's logits (N,) of augmented images, with their labels where there are classes."""
        for augment in self.augmentations:
            images = augment(images)
        network = self.trained(DISCRIMINATOR) if compiled else self.networks[DISCRIMINATOR]
        return network(images, *self.condition(labels)).float()

    def judge_both(self, batch: Batch, fakes: Batch, need_real: bool = True) -> tuple[Tensor | None, Tensor]:
        """Return the logits of real and of fake images; those of the real ones may be None where nobody needs them."""
        real, fake, labels, fake_labels = batch["images"], fakes["images"], batch.get("labels"), fakes.get("labels")
        if self.joint:
            both = torch.cat([labels, fake_labels]) if self.classes else None  # type: ignore[list-item]
            real_logits, fake_logits = self.judge(torch.cat([real, fake]), both).split([len(real), len(fake)])
            return real_logits, fake_logits
        return self.judge(real, labels) if need_real else None, self.judge(fake, fake_labels)

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        """Return the objective's loss and, for the discriminator, the penalties that are due."""
        fakes = fakes | ({"labels": batch["fake_labels"]} if self.classes else {})
        if player == GENERATOR:
            real_logits, fake_logits = self.judge_both(batch, fakes, self.objective.generator_needs_real)
            self.observed = {f"{GENERATOR}/slope": self.slope(real_logits, fake_logits)}
            return {"adversarial": self.objective.generator(real_logits, fake_logits)}
        fakes = self.pool(fakes) if self.pool else fakes
        real_logits, fake_logits = self.judge_both(batch, fakes)
        assert real_logits is not None
        terms = {"adversarial": self.objective.discriminator(real_logits, fake_logits)}
        places = (partial(self.judge, labels=given.get("labels"), compiled=False) for given in (batch, fakes))
        judged = Judged(batch["images"], fakes["images"], real_logits, fake_logits, *places)
        for name, penalty in self.penalties.items():
            if penalty.due(self.clock.steps[DISCRIMINATOR]):  # type: ignore[operator]
                terms[name] = penalty(judged)
        logits = real_logits.detach(), fake_logits.detach()
        self.observed = ranking(*logits)
        for augmentation in self.augmentations:
            images = len(real_logits) * self.trainer.world_size
            augmentation.adjust(*logits, images, self.clock.images_seen)  # type: ignore[operator]
            self.observed |= augmentation.observed()  # type: ignore[operator]
        return terms

    def stepped(self, player: str) -> None:
        """Put the penalties' bounds on the discriminator after each of its steps."""
        if player == DISCRIMINATOR:
            for penalty in self.penalties.values():
                penalty.bound(self.networks[DISCRIMINATOR])  # type: ignore[operator]

    def slope(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the mean absolute derivative of the generator's loss of a fake by its logit: 0 where it saturates."""
        with torch.enable_grad():
            logits = fake_logits.detach().requires_grad_()
            loss = self.objective.generator(None if real_logits is None else real_logits.detach(), logits)
            (derivative,) = torch.autograd.grad(loss, logits)
        return derivative.abs().sum()  # the loss is a mean over fakes

    def generation_batch(self, index: int, size: int, seed: int, labels: Tensor | int | None = None) -> Tensor:
        """Return images of latents drawn from (seed, index), by the averaged generator where there is one.

        Args:
            index: of the batch.
            size: of the batch.
            seed: of all batches.
            labels: where there are classes, one for all images or one each (size,); None draws them uniformly. Batch
                statistics would take away what all images of a batch share: for given labels standing ones are used.
        """
        rng, network = generator_of(seed, index), self.sampler(GENERATOR)
        latents, statistics = network.draw_latents(size, rng), network.sampling_statistics
        if labels is None:
            return self.show(latents, self.draw_labels(size, rng) if self.classes else None, statistics)
        labels = torch.full((size,), labels) if isinstance(labels, int) else labels
        return self.show(latents, labels, "standing" if statistics == "batch" else statistics)

    def generation_labels(self, index: int, size: int, seed: int) -> Tensor | None:
        """Return the labels (size,) that ``generation_batch`` draws for the same batch; None without classes."""
        if not self.classes:
            return None
        rng = generator_of(seed, index)
        self.sampler(GENERATOR).draw_latents(size, rng)  # after which the labels are drawn
        return self.draw_labels(size, rng)

    def show(self, latents: Tensor, labels: Tensor | None, statistics: str) -> Tensor:
        """Return images uint8 (N, C, H, W) of latents, and labels, by the averaged generator where there is one."""
        network = self.sampler(GENERATOR)
        given = [value.to(self.device) for value in (latents, *self.condition(labels))]
        standing = self.standing() if statistics == "standing" else None
        with sampling(network, statistics, standing):
            return to_bytes(network(*given), self.value_range)

    def standing(self) -> Any:
        """Return the sampler's standing statistics, taken anew when its weights have changed."""
        network = self.sampler(GENERATOR)
        moment = (self.clock.images_seen, *(parameter._version for parameter in network.parameters()))
        if self._standing[0] != moment:
            self._standing = moment, standing_statistics(network, self.seed)
        return self._standing[1]

    def sample(self, count: int, seed: int = 0, batch_size: int = 100, label: int | None = None) -> Tensor:
        """Return the first ``count`` samples of a seed, uint8 (count, C, H, W), made in whole batches.

        With batch statistics a sample depends on its batch mates: equal seed and batch size give equal samples.

        Raises:
            UserError: there is no such class ``label``.
        """
        if label is not None and not 0 <= label < self.classes:
            known = f"classes 0 to {self.classes - 1}" if self.classes else "no classes"
            raise UserError(f"label={label} is not there, the generator knows {known}: type label=null, or another")
        indices = range(-(-count // batch_size))
        return torch.cat([self.generation_batch(i, batch_size, seed, label).cpu() for i in indices])[:count]

    def exhibit(self) -> Batch:
        """Return images of one fixed grid of latents; with classes, one class a row and one latent a column.

        A few classes get several rows each, of more than `ROWS` as many are shown, evenly spread.
        """
        if not self.classes:
            return {"images": self.generation_batch(0, GRID, self.seed)}
        shown = torch.linspace(0, self.classes - 1, min(self.classes, ROWS)).round().long()
        rows = len(shown) * -(-8 // len(shown))  # a grid is as square as it gets: as many columns as rows
        each = rows // len(shown)
        network, labels = self.sampler(GENERATOR), shown.repeat_interleave(each * rows)
        latents = network.draw_latents(each * rows, generator_of(self.seed, 0)).repeat(len(shown), 1)
        return {"images": self.show(latents, labels, network.sampling_statistics)}

    def sampling_protocol(self) -> dict[str, Any]:
        """Return the batch norm's mode, the labels' distribution, and whether the generator is a moving average."""
        network = self.sampler(GENERATOR)
        protocol = {"batch_norm": network.sampling_statistics, "ema": GENERATOR in self.averages}
        if network.sampling_statistics == "standing":
            protocol["standing_images"] = network.standing_batches * STANDING_BATCH
        if self.classes:
            protocol["labels"] = f"uniform over {self.classes} classes"
        return protocol


def standing_statistics(network: Any, seed: int) -> Averages:
    """Return a generator's standing statistics: averages over batches of its own samples, drawn by a seed.

    With classes, over samples of all of them: one alone would take away what its images share.
    """
    rng, device = generator_of(seed, 0, STANDING), next(network.parameters()).device
    classes, batches = getattr(network, "classes", 0), []
    for _ in range(network.standing_batches):
        latents = network.draw_latents(STANDING_BATCH, rng)
        labels = [torch.randint(classes, (STANDING_BATCH,), generator=rng)] if classes else []
        batches.append(tuple(value.to(device) for value in (latents, *labels)))
    return standing_averages(network, batches)


def ranking(real: Tensor, fake: Tensor) -> Batch:
    """Return how well logits (N,) of reals and fakes are told apart.

    ``accuracy``: the share of all (real, fake) pairs in which the real image scores higher, 0.5 for guesses; it means
    the same for every objective, relativistic ones included. ``margin``: the difference of the means.
    """
    accuracy = (real[:, None] > fake[None, :]).float().mean()
    return {f"{DISCRIMINATOR}/accuracy": accuracy, f"{DISCRIMINATOR}/margin": real.mean() - fake.mean()}
