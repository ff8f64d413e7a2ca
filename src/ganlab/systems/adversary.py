"""The adversary: what any discriminator needs in any family, whichever networks it is trained against."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.arguments import Natural, checked
from ganlab.objectives.augmentations import Augmentation
from ganlab.objectives.losses import Objective
from ganlab.objectives.penalties import DiscriminatorBatch, Penalty
from ganlab.systems.pool import ImagePool
from ganlab.systems.update import DISCRIMINATOR
from ganlab.transfer import Batch


@dataclass(frozen=True)
class Moment:
    """Where training stands when a discriminator's loss is computed.

    Attributes:
        seed: of the run.
        images_seen: the clock.
        step: steps that this discriminator has taken.
        world_size: ranks that compute this loss, each on its own share.
    """

    seed: int
    images_seen: int
    step: int
    world_size: int = 1


@checked
class Adversary(nn.Module):
    """Objective, penalties, augmentations and image pool of one discriminator; its network belongs to the system.

    Shown pictures are a batch: ``images`` (N, C, H, W), and their condition: ``labels`` (N,), which the network takes
    as its second argument, or ``inputs`` (N, C', H, W), which pass in front of the images as further channels, through
    the same augmentations. Logits are (N,), or a map of them (N, 1, h, w).

    Args:
        objective: losses of both sides.
        penalties: by name; terms added to the discriminator's loss, or bounds on its weights.
        augmentations: applied in turn to all that the discriminator sees.
        joint: whether real and fake images pass in one batch, with common batch statistics, instead of each in a batch
            of its own (authors' code).
        replay: past fakes that are kept for the discriminator, see `ImagePool`; 0 for none.
        name: of the discriminator, in the logs.

    Attributes:
        scalars: detached scalars of the last loss, by the names that they are logged under.
    """

    def __init__(
        self,
        objective: Objective,
        penalties: Mapping[str, Penalty] | None = None,
        augmentations: Iterable[Augmentation] = (),
        *,
        joint: bool = False,
        replay: Natural = 0,
        name: str = DISCRIMINATOR,
    ) -> None:
        super().__init__()
        self.objective, self.joint, self.name = objective, joint, name
        self.penalties, self.augmentations = nn.ModuleDict(penalties or {}), nn.ModuleList(augmentations)
        self.pool = ImagePool(replay) if replay else None
        self.scalars: Batch = {}

    def set_value_range(self, value_range: tuple[float, float]) -> None:
        """Take the range of the images: augmentations depend on it."""
        for augmentation in self.augmentations:
            augmentation.value_range = value_range  # type: ignore[assignment]

    @property
    def differentiated_twice(self) -> list[str]:
        """The penalties that differentiate the discriminator twice, which torch.compile cannot."""
        return [name for name, penalty in self.penalties.items() if penalty.twice]

    def discriminate(self, network: Any, shown: Batch) -> Tensor:
        """Return a network's logits of augmented pictures, float32."""
        images = torch.cat([shown["inputs"], shown["images"]], dim=1) if "inputs" in shown else shown["images"]
        for augment in self.augmentations:
            images = augment(images)
        return network(images, *([shown["labels"]] if "labels" in shown else [])).float()

    def discriminate_in_place(self, network: Any, shown: Batch, images: Tensor) -> Tensor:
        """Return the logits of other images under the condition of the shown ones."""
        return self.discriminate(network, shown | {"images": images})

    def logits(self, network: Any, real: Batch, fake: Batch, need_real: bool = True) -> tuple[Tensor | None, Tensor]:
        """Return the logits of real and of fake pictures; those of the real ones may be None where not needed."""
        if self.joint:
            both = {name: torch.cat([real[name], fake[name]]) for name in fake}
            logits = self.discriminate(network, both)
            return logits[: len(real["images"])], logits[len(real["images"]) :]
        return self.discriminate(network, real) if need_real else None, self.discriminate(network, fake)

    def discriminator_loss(self, network: Any, uncompiled: Any, real: Batch, fake: Batch, moment: Moment) -> Batch:
        """Return the terms of the discriminator's loss: the objective, and the penalties that are due.

        Args:
            network: the discriminator as training calls it.
            uncompiled: the same, for penalties that differentiate it twice.
            real: pictures to be shown.
            fake: pictures to be shown; some are replaced by those of the pool.
            moment: of training.
        """
        fake = self.pool(fake, moment.seed, moment.images_seen) if self.pool else fake
        real_logits, fake_logits = self.logits(network, real, fake)
        assert real_logits is not None
        terms = {"adversarial": self.objective.discriminator(real_logits, fake_logits)}
        at_real, at_fake = (partial(self.discriminate_in_place, uncompiled, shown) for shown in (real, fake))
        batch = DiscriminatorBatch(real["images"], fake["images"], real_logits, fake_logits, at_real, at_fake)
        for name, penalty in self.penalties.items():
            if penalty.due(moment.step):  # type: ignore[operator]
                terms[name] = penalty(batch)
        real_logits, fake_logits = real_logits.detach(), fake_logits.detach()
        self.scalars = {f"{self.name}/{key}": value for key, value in ranking(real_logits, fake_logits).items()}
        for augmentation in self.augmentations:
            images = len(real_logits) * moment.world_size
            augmentation.adjust(real_logits, fake_logits, images, moment.images_seen)  # type: ignore[operator]
            found: Batch = augmentation.observed()  # type: ignore[operator]
            self.scalars |= {key if self.name == DISCRIMINATOR else f"{key}/{self.name}": found[key] for key in found}
        return terms

    def generator_loss(self, network: Any, real: Batch, fake: Batch, player: str) -> Batch:
        """Return the adversarial term of a generating player's loss; ``network`` is the discriminator."""
        real_logits, fake_logits = self.logits(network, real, fake, self.objective.generator_needs_real)
        self.scalars = {f"{player}/slope": self.slope(real_logits, fake_logits)}
        return {"adversarial": self.objective.generator(real_logits, fake_logits)}

    def slope(self, real_logits: Tensor | None, fake_logits: Tensor) -> Tensor:
        """Return the mean absolute derivative of the generator's loss of a fake by its logit: 0 where it saturates."""
        with torch.enable_grad():
            logits = fake_logits.detach().requires_grad_()
            loss = self.objective.generator(None if real_logits is None else real_logits.detach(), logits)
            (derivative,) = torch.autograd.grad(loss, logits)
        return derivative.abs().sum()  # the loss is a mean over fakes

    def bound(self, network: nn.Module) -> None:
        """Put the penalties' bounds on the discriminator after a step of it."""
        for penalty in self.penalties.values():
            penalty.bound(network)  # type: ignore[operator]


def ranking(real: Tensor, fake: Tensor) -> Batch:
    """Return how well logits of reals and fakes, (N,) or (N, 1, h, w), are separated; maps are averaged per picture.

    ``accuracy``: the share of all (real, fake) pairs in which the real picture scores higher, 0.5 for guesses; it means
    the same for every objective, relativistic ones included. ``margin``: the difference of the means.
    """
    real, fake = (logits.flatten(1).mean(1) if logits.dim() > 1 else logits for logits in (real, fake))
    accuracy = (real[:, None] > fake[None, :]).float().mean()
    return {"accuracy": accuracy, "margin": real.mean() - fake.mean()}
