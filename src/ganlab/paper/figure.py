"""What a figure or table of the paper is made from, and what comes out of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganlab.data.packs.pack import Pack
from ganlab.data.packs.source import HELD_OUT
from ganlab.errors import UserError
from ganlab.latent.sampler import Sampler
from ganlab.networks.latents import LatentGenerator
from ganlab.paper.classifiers import Judges
from ganlab.probes.features import with_label
from ganlab.probes.guided import random_filters
from ganlab.systems.gan import GAN
from ganlab.systems.images import Range
from ganlab.systems.update import DISCRIMINATOR, GENERATOR


@dataclass(frozen=True)
class Model:
    """A trained pair of networks.

    Attributes:
        system: with its weights.
        config: of its run.
        name: of its checkpoint, for messages and records.
        shown: the class that samples are of, where the generator has classes.
    """

    system: GAN
    config: dict[str, Any]
    name: str
    shown: int = 0

    @property
    def generator(self) -> LatentGenerator:
        """The generator that samples are drawn with: the moving average where there is one."""
        return self.system.sampler(GENERATOR)

    @property
    def discriminator(self) -> nn.Module:
        """The discriminator."""
        return self.system.networks[DISCRIMINATOR]

    @property
    def device(self) -> torch.device:
        """Where both are."""
        return self.system.device

    @property
    def value_range(self) -> Range:
        """Of the images that they make and take."""
        return self.system.value_range

    @property
    def label(self) -> int | None:
        """The label that a conditional discriminator is given with every image, so that it tells nothing; else None."""
        return 0 if self.system.classes else None

    def sampler(self, statistics: str = "standing") -> Sampler:
        """Return the generator as a function from latents to images, of the class ``shown`` where it has classes."""
        return Sampler(self.generator, self.shown if self.system.classes else None, statistics, seed=self.system.seed)

    def image(self) -> tuple[Tensor, ...]:
        """Return what the discriminator takes, for one image of zeros."""
        with torch.no_grad():
            shape = self.system.sample(2, 0, 2).shape[1:]
        return with_label(torch.zeros(1, *shape, device=self.device), self.label)


@dataclass(frozen=True)
class Material:
    """What is at hand to make a figure or table from.

    Attributes:
        models: by role, such as ``checkpoint`` and ``baseline``.
        pack: the real images of a split (None: those that were trained on, or of the data that were asked for), and
            None where there is no such split.
        judges: networks that tell what images show.
        exemplars: a file that names them, see `ganlab.latent.exemplars.read_exemplars`.
        boxes: a file of boxes, see `ganlab.probes.boxes.read_boxes`.
        seed: of all that is drawn.
        folder: for what is too large for memory.
        interim: called with what is known so far, by items of which parts take hours.
    """

    models: dict[str, Model]
    pack: Callable[[str | None], Pack | None]
    judges: Judges
    exemplars: Path | None
    boxes: Path | None
    seed: int
    folder: Path
    interim: Callable[["Outcome"], None] = lambda outcome: None

    @property
    def model(self) -> Model:
        """The model of ``checkpoint=``."""
        return self.models["checkpoint"]

    def random_discriminator(self) -> nn.Module:
        """Return the model's discriminator with random filters, others for a model of another seed."""
        return random_filters(self.model.discriminator, self.seed + self.model.system.seed)

    @property
    def training(self) -> Pack:
        """The real images that there are."""
        pack = self.pack(None)
        assert pack is not None, "data without a split's name are there, or an error was raised"
        return pack

    def held_out(self) -> Pack:
        """Return real images that were not trained on; ``UserError`` where the data have no other split."""
        for split in HELD_OUT:
            if (pack := self.pack(split)) is not None:
                return pack
        raise UserError(
            f"{self.training.manifest['source']} has no images held out: choose data with a test split, "
            "or a folder named train with one named test beside it"
        )


@dataclass(frozen=True)
class Choices:
    """Samples that a person picks from.

    Attributes:
        latents: (N, latent_size).
        images: uint8 (N, C, H, W), of them.
        concepts: names of what exemplars are picked for; none where boxes are drawn.
        task: what to do, a sentence for that person.
    """

    latents: Tensor
    images: Tensor
    concepts: tuple[str, ...]
    task: str


@dataclass
class Outcome:
    """What was made.

    Attributes:
        pictures: uint8 (C, H, W) each, by name; ``""`` is the figure itself.
        animations: uint8 (T, C, H, W) each, by name.
        scores: numbers by name.
        remarks: what is to be known about them, such as the size of a sample.
        differs: from the paper's protocol, with the values and files that were given; beside `Item.differs`.
    """

    pictures: dict[str, Tensor] = field(default_factory=dict)
    animations: dict[str, Tensor] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Claim:
    """That one score is above another, for all checkpoints: the smallest of the one above the largest of the other.

    Attributes:
        text: the claim, in words.
        higher: name of the score that is to be above.
        lower: name of the other, or a number.
    """

    text: str
    higher: str | float
    lower: str | float

    def told(self, scores: dict[str, list[float]]) -> bool | None:
        """Return whether it holds, given each score's values over checkpoints; None where one was not measured."""
        high, low = (
            [side] if isinstance(side, (int, float)) else [value for value in scores.get(side, []) if value == value]
            for side in (self.higher, self.lower)
        )
        return min(high) > max(low) if high and low else None


class Item(ABC):
    """A figure or table of the paper.

    Attributes:
        title: what it shows, a line.
        needs: roles of the models that it is made from.
        published: the paper's own values, by the names of our scores.
        differs: how our protocol differs from the paper's.
        claims: what the paper says that the scores have to show.
    """

    title: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("checkpoint",)
    published: ClassVar[dict[str, str]] = {}
    differs: ClassVar[tuple[str, ...]] = ()
    claims: ClassVar[tuple[Claim, ...]] = ()

    def layout(self, told: Callable[[str], str]) -> list[list[str]]:
        """Return a table as the paper lays it out, headings first, then its rows and ours; nothing for a figure.

        ``told`` returns our score of a name in percent, with its spread over checkpoints; ``-`` where there is none.
        """
        return []

    @abstractmethod
    def make(self, material: Material) -> Outcome:
        """Make it; ``UserError`` or ``ValueError`` where the material or a value does not suit."""

    def choices(self, material: Material) -> Choices | None:
        """Return the samples that a person may pick exemplars from, or draw boxes in; None where there is no choice."""
        return None
