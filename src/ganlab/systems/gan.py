"""A generator of images from latents against one discriminator: the GAN of Goodfellow et al. and of DCGAN."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganlab.errors import UserError
from ganlab.images import to_floats
from ganlab.networks.statistics import Averages, sampling, standing_averages
from ganlab.objectives.regularizers import Regularizer
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.adversary import Adversary, Moment
from ganlab.systems.clock import generator_of
from ganlab.systems.request import BLOCK, Request
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, Player, UpdateRule
from ganlab.transfer import Batch

log = logging.getLogger(__name__)

ROWS = 16  # most classes of the preview of a conditional generator
STANDING_BATCH = 64  # images, of all classes, in a batch that standing statistics are averaged over
STANDING = 1  # stream of those batches' latents


class GAN(AdversarialSystem):
    """Two players, ``discriminator`` and ``generator``; both are given labels where the generator has ``classes``.

    Args:
        generator: with ``draw_latents``, ``value_range`` and ``sampling_statistics``, see `ganlab.networks.latents`.
        discriminator: images, or images and labels, to logits.
        optimizers: by role; each makes an optimiser from parameters.
        adversary: of the discriminator.
        update: see `ganlab.systems.update`.
        regularizers: by name; terms added to the generator's loss.
        **loop: ``weights``, ``stages``, ``seed``, ``accumulate``, ``half_life``, ``clip_norm``, ``schedule`` and
            ``channels_last`` of `AdversarialSystem`.

    Raises:
        ValueError: the generator takes no latents, or one network knows classes that the other does not.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: nn.Module,
        optimizers: Mapping[str, Callable],
        adversary: Adversary,
        update: UpdateRule,
        regularizers: Mapping[str, Regularizer] | None = None,
        **loop: Any,
    ) -> None:
        if not hasattr(generator, "draw_latents"):
            raise ValueError(
                "system=gan makes images from latents, and this generator takes pictures: type a generator of latents "
                "such as architecture/generator=dcgan, or another system"
            )
        networks = {DISCRIMINATOR: discriminator, GENERATOR: generator}
        players = {name: Player((name,), optimizers[name], role=name) for name in networks}
        super().__init__(networks, players, update, **loop)
        self.adversary, self.regularizers = adversary, nn.ModuleDict(regularizers or {})
        self.value_range = generator.value_range
        adversary.set_value_range(self.value_range)
        self.classes = getattr(generator, "classes", 0)
        if self.classes != (theirs := getattr(discriminator, "classes", 0)):
            raise ValueError(
                f"the generator has {self.classes} classes and the discriminator {theirs}: give both alike"
            )
        self._standing: tuple[tuple[int, ...], Any] = (), None

    def on_fit_start(self) -> None:
        """Reject incompatible combinations.

        Raises:
            UserError: a penalty would differentiate a compiled discriminator twice.
        """
        super().on_fit_start()
        discriminator = self.networks[DISCRIMINATOR]
        twice = self.differentiated_twice()
        # There is no public way to see that nn.Module.compile() was called; tests/systems/test_gan.py watches the name.
        if twice and any(module._compiled_call_impl is not None for module in discriminator.modules()):
            raise UserError(
                f"penalty={twice[0]} differentiates the discriminator twice, which torch.compile cannot: leave the "
                "discriminator uncompiled, or type penalty=none"
            )
        spectral = any(nn.utils.parametrize.is_parametrized(module) for module in discriminator.modules())
        bounded = self.adversary.objective.bounded or self.adversary.penalties or spectral
        if not bounded and self.trainer.is_global_zero:
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
        return self.adversary.differentiated_twice

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

    # Training

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
        return {"images": self.compiled_or_raw(GENERATOR)(batch["latents"], *self.condition(batch.get("fake_labels")))}

    def condition(self, labels: Tensor | None) -> tuple[Tensor, ...]:
        """Return what a network takes after its first argument: labels where there are classes."""
        return (labels,) if self.classes and labels is not None else ()

    def loss(self, player: str, batch: Batch, fakes: Batch) -> Batch:
        """Return the adversarial term and, as they are due, the discriminator's penalties or the regularisers of G."""
        real, fake = {"images": batch["images"]}, dict(fakes)
        if self.classes:
            real["labels"], fake["labels"] = batch["labels"], batch["fake_labels"]
        discriminator, steps = self.compiled_or_raw(DISCRIMINATOR), self.clock.steps[player]
        if player == GENERATOR:
            terms = self.adversary.generator_loss(discriminator, real, fake, GENERATOR)
            due = {name: each for name, each in self.regularizers.items() if each.due(steps)}  # type: ignore[operator]
            terms |= {name: regularizer(self.generator) for name, regularizer in due.items()}
        else:
            moment = Moment(self.seed, self.clock.images_seen, steps, self.trainer.world_size)
            raw = self.networks[DISCRIMINATOR]
            terms = self.adversary.discriminator_loss(discriminator, raw, real, fake, moment)
        self.scalars = self.adversary.scalars
        return terms

    def after_step(self, player: str) -> None:
        """Put the penalties' bounds on the discriminator after each of its steps."""
        if player == DISCRIMINATOR:
            self.adversary.bound(self.networks[DISCRIMINATOR])

    # Images

    def decode(self, request: Request, seed: int, task: str = "") -> Tensor:
        """Return images of given or drawn latents, by the averaged generator where there is one.

        Under batch statistics given latents pass together, and drawn ones in the blocks that they were drawn in. For
        given labels standing statistics replace batch statistics by default, which would take away what all images of
        a class share.
        """
        network = self.ema_or_raw(GENERATOR)
        statistics = request.statistics or network.sampling_statistics
        if request.statistics is None and request.labels is not None and statistics == "batch":
            statistics = "standing"
        with sampling(network, statistics, self.standing() if statistics == "standing" else None, gradients=True):
            if request.latents is not None:
                labels = self.labels_for(request, seed)
                parts = torch.arange(len(request)).split(len(request) if statistics == "batch" else BLOCK)
                given = [(request.latents[rows], None if labels is None else labels[rows]) for rows in parts]
                return torch.cat([self.pass_latents(network, *each) for each in given])
            images: list[Tensor] = []
            for number, rows in request.blocks():
                latents, labels = self.drawn_block(number, seed)
                asked = request.indices[rows] % BLOCK
                if request.labels is not None and labels is not None:
                    labels[asked] = request.labels[rows].cpu()
                if statistics == "batch":
                    images.append(self.pass_latents(network, latents, labels)[asked])
                else:
                    images.append(self.pass_latents(network, latents[asked], None if labels is None else labels[asked]))
        order = torch.cat([rows for _, rows in request.blocks()])
        return torch.cat(images)[order.argsort()]

    def pass_latents(self, network: Any, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Return a network's images of latents (n, latent_size) and labels (n,)."""
        given = [value.to(self.device) for value in (latents, *self.condition(labels))]
        return network(*given)

    def drawn_block(self, number: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """Return latents (100, latent_size) and, with classes, labels (100,) of a block of a seed."""
        rng = generator_of(seed, number)
        latents = self.generator.draw_latents(BLOCK, rng)
        return latents, self.draw_labels(BLOCK, rng) if self.classes else None

    def latents_for(self, request: Request, seed: int) -> Tensor:
        """Return the latents (N, latent_size) of a request's images, given or drawn."""
        if request.latents is not None:
            return request.latents
        latents = torch.empty(len(request), self.generator.latent_size)
        for number, rows in request.blocks():
            latents[rows] = self.drawn_block(number, seed)[0][request.indices[rows] % BLOCK]
        return latents

    def labels_for(self, request: Request, seed: int) -> Tensor | None:
        """Return the classes (N,) of a request's images, given or drawn; None without classes."""
        if not self.classes or request.labels is not None:
            return request.labels if self.classes else None
        labels = torch.empty(len(request), dtype=torch.long)
        for number, rows in request.blocks():
            drawn = self.drawn_block(number, seed)[1]
            assert drawn is not None
            labels[rows] = drawn[request.indices[rows] % BLOCK]
        return labels

    def sample(self, count: int, seed: int = 0, label: int | None = None) -> Tensor:
        """Return the first ``count`` samples of a seed, uint8 (count, C, H, W) on the CPU, of one class if given.

        Raises:
            UserError: there is no such class ``label``.
        """
        if label is not None and not 0 <= label < self.classes:
            known = f"classes 0 to {self.classes - 1}" if self.classes else "no classes"
            raise UserError(f"label={label} is not there, the generator knows {known}: type label=null, or another")
        return super().sample(count, seed, label)

    def preview_images(self, references: Mapping[str, Request]) -> Batch:
        """Return the requested images; with classes, one class a row and one latent a column instead.

        A few classes get several rows each, of more than `ROWS` as many are shown, evenly spread.
        """
        if not self.classes:
            return super().preview_images(references)
        shown = torch.linspace(0, self.classes - 1, min(self.classes, ROWS)).round().long()
        rows = len(shown) * -(-8 // len(shown))  # a grid is as square as it gets: as many columns as rows
        each = rows // len(shown)
        labels = shown.repeat_interleave(each * rows)
        latents = self.generator.draw_latents(each * rows, generator_of(self.seed, 0)).repeat(len(shown), 1)
        statistics = self.ema_or_raw(GENERATOR).sampling_statistics
        request = Request.first(len(labels), latents=latents, labels=labels, statistics=statistics)
        return {"images": self.respond(request, self.seed)}

    def standing(self) -> Averages:
        """Return the sampling network's standing statistics, taken again when its weights have changed."""
        network = self.ema_or_raw(GENERATOR)
        # PyTorch counts changes of a tensor in _version alone; tests/systems/test_conditional.py watches the name.
        moment = (self.clock.images_seen, *(parameter._version for parameter in network.parameters()))
        if self._standing[0] != moment:
            self._standing = moment, standing_statistics(network, self.seed)
        return self._standing[1]

    def sampling_protocol(self) -> dict[str, Any]:
        """Return the batch norm's mode, the labels' distribution, and whether the generator is a moving average."""
        network = self.ema_or_raw(GENERATOR)
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
