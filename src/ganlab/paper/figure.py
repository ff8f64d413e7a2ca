"""The inputs and results of a figure or table of the paper, and their base class."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from ganlab.data.module import ImageDataModule
from ganlab.data.packs.pack import Pack
from ganlab.data.packs.source import HELD_OUT
from ganlab.errors import UserError
from ganlab.images import Range
from ganlab.latent.sampler import Sampler
from ganlab.networks.latents import LatentGenerator
from ganlab.paper.classifiers import Classifiers
from ganlab.probes.features import with_label
from ganlab.probes.random_weights import random_filters
from ganlab.systems.gan import GAN
from ganlab.systems.update import DISCRIMINATOR, GENERATOR

T = TypeVar("T")

QUOTED = "values of the paper marked with * are widely quoted; they were not checked against the paper"
STANDING = "standing batch statistics (the authors: of the batch)"


@dataclass(frozen=True)
class Model:
    """A trained generator and discriminator."""

    system: Any  # with its weights: of the class ``systems`` of the figure
    config: dict[str, Any]  # of its run; empty for weights without one
    name: str  # of its checkpoint, for messages and records
    label: int = 0  # class of the samples, if the generator is conditional

    @property
    def generator(self) -> LatentGenerator:
        """The generator that is sampled: the moving average if there is one."""
        return self.system.ema_or_raw(GENERATOR)

    @property
    def discriminator(self) -> nn.Module:
        return self.system.networks[DISCRIMINATOR]

    @property
    def device(self) -> torch.device:
        return self.system.device

    @property
    def value_range(self) -> Range:
        return self.system.value_range

    @property
    def fixed_label(self) -> int | None:
        """Label given to a conditional discriminator with every image, so that it carries no information; else None."""
        return 0 if self.system.classes else None

    @property
    def data_name(self) -> str:
        """Name of the training data, such as ``portraits``."""
        return self.config.get("data", {}).get("name", "unknown data")

    @property
    def width(self) -> int | None:
        """``architecture.width`` of the run, the channels next to the image; None if unknown."""
        return self.config.get("architecture", {}).get("width")

    def sampler(self, statistics: str = "standing") -> Sampler:
        """Return the generator as a function from latents to images, of the class ``label`` if it is conditional."""
        return Sampler(self.system, self.label if self.system.classes else None, statistics)

    def discriminator_inputs(self) -> tuple[Tensor, ...]:
        """Return the discriminator's inputs for one image of zeros."""
        shape = self.sampler("running")(torch.zeros(1, self.generator.latent_size)).shape[1:]
        return with_label(torch.zeros(1, *shape, device=self.device), self.fixed_label)


@dataclass(frozen=True)
class FigureInputs:
    """What a figure or table is made from."""

    models: dict[str, Model]  # by role, ``checkpoint`` and ``baseline``
    pack: Callable[[str | None], Pack | None]  # real images of a split or None; of None: of training or ``data=``
    classifiers: Classifiers  # networks that score what images show
    exemplars: Path | None  # a file, see `ganlab.latent.exemplars.read_exemplars`
    boxes: Path | None  # a file, see `ganlab.probes.boxes.read_boxes`
    seed: int  # of everything that is drawn
    folder: Path  # for arrays too large for memory
    save_partial: Callable[["FigureResult"], None] = lambda result: None  # called by figures that take hours
    data: Callable[[str | None], Any] = lambda split: None  # the data module of a split or None, as ``pack``

    @property
    def model(self) -> Model:
        return self.models["checkpoint"]

    def random_discriminator(self) -> nn.Module:
        """Return the model's discriminator with random weights, which depend on the seeds of figure and model."""
        return random_filters(self.model.discriminator, self.seed + self.model.system.seed)

    @property
    def training(self) -> Pack:
        pack = self.pack(None)
        assert pack is not None, "only a named split may be missing"
        return pack

    def held_out(self) -> Pack:
        """Return real images that were not trained on; ``UserError`` if the data have no other split."""
        return self._held_out(self.pack)

    def held_out_data(self) -> ImageDataModule:
        """Return the data module of such images."""
        return self._held_out(self.data)

    def _held_out(self, of_split: Callable[[str | None], T | None]) -> T:
        for split in HELD_OUT:
            if (found := of_split(split)) is not None:
                return found
        raise UserError(
            f"{self.training.manifest['source']} has no held-out images: choose data with a test split, or a folder "
            "named train with one named test next to it"
        )


@dataclass(frozen=True)
class Candidates:
    """Samples from which a person picks exemplars, or in which a person draws boxes."""

    latents: Tensor  # (N, latent_size)
    images: Tensor  # uint8 (N, C, H, W)
    concepts: tuple[str, ...]  # names of the concepts; none for boxes
    task: str  # instruction for that person


@dataclass
class FigureResult:
    """A figure or table of one model."""

    pictures: dict[str, Tensor] = field(default_factory=dict)  # uint8 (C, H, W) by name; ``""`` is the figure itself
    animations: dict[str, Tensor] = field(default_factory=dict)  # uint8 (T, C, H, W) each, by name
    scores: dict[str, float] = field(default_factory=dict)  # numbers by name
    remarks: list[str] = field(default_factory=list)  # notes on the scores, such as sample sizes
    differs: list[str] = field(default_factory=list)  # deviations from the paper's protocol due to values of this run


@dataclass(frozen=True)
class Claim:
    """A claim that one score exceeds another in all checkpoints: the minimum of one above the maximum of the other."""

    text: str  # the claim in words
    higher: str | float  # name of the score that should be higher
    lower: str | float  # name of the other score, or a number

    def holds(self, scores: dict[str, list[float]]) -> bool | None:
        """Return whether it holds, given each score's values over checkpoints; None if one was not measured."""
        high, low = (
            [side] if isinstance(side, (int, float)) else [value for value in scores.get(side, []) if value == value]
            for side in (self.higher, self.lower)
        )
        return min(high) > max(low) if high and low else None


class Figure(ABC):
    """Base class of the paper's figures and tables."""

    title: ClassVar[str]  # one line
    needs: ClassVar[tuple[str, ...]] = ("checkpoint",)  # roles of the models
    systems: ClassVar[type] = GAN  # class of the models' systems
    published: ClassVar[dict[str, str]] = {}  # the paper's values, by the names of our scores
    differs: ClassVar[tuple[str, ...]] = ()  # how our protocol differs from the paper's
    claims: ClassVar[tuple[Claim, ...]] = ()  # of the paper, about the scores

    @abstractmethod
    def make(self, inputs: FigureInputs) -> FigureResult:
        """Make the figure; ``UserError`` or ``ValueError`` for unsuitable inputs or values."""

    def layout(self, score: Callable[..., str]) -> list[list[str]]:
        """Return a table's rows as in the paper, headings first, ours last; ``score`` formats a score by its name.

        As a second argument it takes a function of the score's values over models; shares are formatted without.
        """
        return []

    def candidates(self, inputs: FigureInputs) -> Candidates | None:
        """Return samples to pick exemplars from or to draw boxes in; None if the figure uses neither."""
        return None
