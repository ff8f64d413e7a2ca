"""Figure inputs without training: networks of random weights, scikit-learn's digits, and small procedural sets."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ganlab.data.drawn.portraits import Portraits
from ganlab.data.drawn.procedural import Procedural
from ganlab.data.drawn.scenes import Scenes
from ganlab.data.packs.pack import Pack, build
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.networks import dcgan, dcgan_conditional
from ganlab.objectives.losses import NonSaturating
from ganlab.paper.classifiers import Classifiers
from ganlab.paper.figure import FigureInputs, Model
from ganlab.systems.adversary import Adversary
from ganlab.systems.gan import GAN
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, sequential


def model_of(generator: Any, discriminator: Any, name: str = "a checkpoint") -> Model:
    optimizers = {player: partial(torch.optim.SGD, lr=0.0) for player in (GENERATOR, DISCRIMINATOR)}
    system = GAN(generator, discriminator, optimizers, Adversary(NonSaturating()), sequential(), seed=3)
    return Model(system.eval(), {}, name)


def make_plain(size: int = 32, channels: int = 3, width: int = 4) -> Model:
    torch.manual_seed(0)
    options = {"image_size": size, "channels": channels, "width": width, "deviation": 0.2}
    return model_of(dcgan.Generator(latent_size=6, standing_batches=2, **options), dcgan.Discriminator(**options))


def make_conditional() -> Model:
    torch.manual_seed(0)
    sizes = (16, 1, 10)
    generator = dcgan_conditional.Generator(*sizes, width=4, hidden_units=16, standing_batches=2, deviation=0.2)
    return model_of(generator, dcgan_conditional.Discriminator(*sizes, width=4, hidden_units=16, deviation=0.2))


@pytest.fixture
def plain() -> Callable[..., Model]:
    return make_plain


@pytest.fixture
def conditional() -> Callable[..., Model]:
    return make_conditional


def digits(part: slice) -> Pack:
    """Some of the digits, at 16x16."""
    data = load_digits()
    images = np.uint8(data.images * 255 / 16)[part].repeat(2, 1).repeat(2, 2)[..., None]
    labels = np.int64(data.target)[part]
    manifest: dict[str, Any] = {
        "count": len(images),
        "source": "digits",
        "classes": [str(digit) for digit in range(10)],
        "arrays": {"images": {"crc32": part.start}, "labels": {"crc32": part.start}},
    }
    return Pack(Path(f"digits-{part.start}"), manifest, {"images": images, "labels": labels})


@pytest.fixture
def figure_inputs(tmp_path: Path) -> Callable[..., FigureInputs]:
    """Make figure_inputs of models and packs by split; exemplars and boxes as files."""

    def make(models: dict[str, Model], packs: dict[str | None, Pack], **files: Path) -> FigureInputs:
        training = {"images": 3_000, "batch_size": 64, "learning_rate": 3e-3, "width": 8, "seed": 0}
        classifiers = Classifiers(training)
        given = {"exemplars": None, "boxes": None} | files
        return FigureInputs(models, packs.get, classifiers, **given, seed=0, folder=tmp_path / "reproduction")

    return make


@pytest.fixture
def split_digits(tmp_path: Path) -> dict[str | None, Pack]:
    parts: dict[str | None, Pack] = {None: digits(slice(0, 1200)), "test": digits(slice(1200, None))}
    for pack in parts.values():
        object.__setattr__(pack, "folder", tmp_path)
    return parts


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Pack]:
    return drawn(Scenes, tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Pack]:
    return drawn(Portraits, tmp_path_factory.mktemp("portraits"))


def drawn(kind: type[Procedural], folder: Path) -> dict[str | None, Pack]:
    protocol = PictureProtocol(32, 3, "lanczos", "square", "exact")
    parts: dict[str | None, str] = {None: "train", "test": "test"}
    return {key: build(kind(256, 32, 0, split), protocol, folder, workers=1) for key, split in parts.items()}
