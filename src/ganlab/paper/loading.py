"""Loads the inputs of a figure or table: models from checkpoints, and their real images."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import torch

from ganlab.data.module import ImageDataModule
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.networks.authors import load_discriminator, load_generator
from ganlab.objectives.losses import NonSaturating
from ganlab.paper.classifiers import Classifiers
from ganlab.paper.figure import FigureInputs, FigureResult, Model
from ganlab.runs.build import build_data, choose_device, load_system, make
from ganlab.runs.real_images import data_of_split, sources
from ganlab.systems.adversary import Adversary
from ganlab.systems.gan import GAN
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, sequential


def load_inputs(
    config: dict[str, Any],
    paths: Mapping[str, Path],
    folder: Path,
    classifiers: Classifiers,
    systems: type = GAN,
    save_partial: Callable[[FigureResult], None] = lambda result: None,
) -> FigureInputs:
    """Load the models of ``paths``, or build those of ``architecture=``, and locate the real images."""
    models = {role: load_model(path, config["device"], config["label"], systems) for role, path in paths.items()}
    if not models:
        networks = [make(config["architecture"][name], f"architecture.{name}") for name in (GENERATOR, DISCRIMINATOR)]
        models = {"checkpoint": Model(as_system(*networks), {}, "the configuration")}
    model = models["checkpoint"]
    data = {**model.config, "data": config["data"]} if config.get("data") is not None else model.config
    exemplars, boxes = (
        None if config[key] is None else Path(str(config[key])).expanduser() for key in ("exemplars", "boxes")
    )
    module = cache(partial(find_data, data, config))
    pack = cache(partial(find_pack, model, module, data.get("data", {}).get("name")))
    return FigureInputs(models, pack, classifiers, exemplars, boxes, config["seed"], folder, save_partial, module)


def load_model(path: Path, device: str, label: int, systems: type = GAN) -> Model:
    """Return a run's checkpoint, or the authors' released weights (.npz), as a model; its system is of a class."""
    if path.suffix == ".npz":
        authors = as_system(load_generator(path), load_discriminator(path))
        return Model(authors.to(choose_device(device)).eval(), {}, str(path), label)
    system, config = load_system(path, device)
    if not isinstance(system, systems):
        raise UserError(f"{path} is not a GAN of one generator and one discriminator, as the paper's figures need")
    return Model(system, config, str(path), label)


def as_system(generator: torch.nn.Module, discriminator: torch.nn.Module) -> GAN:
    """Return networks as a system that is not trained."""
    optimizers = {player: partial(torch.optim.SGD, lr=0.0) for player in (GENERATOR, DISCRIMINATOR)}
    return GAN(generator, discriminator, optimizers, Adversary(NonSaturating()), sequential(), seed=0)


def fingerprint(model: Model) -> str:
    """Return a checksum of a model's generator, which identifies it in files of exemplars and boxes."""
    value = 0
    for values in model.generator.state_dict().values():
        value = crc32(values.detach().cpu().contiguous().numpy().tobytes(), value)
    return f"{value:08x}"


def find_data(trained: dict[str, Any], config: dict[str, Any], split: str | None) -> ImageDataModule | None:
    """Return the data module of a split, None without such a split."""
    if "data" not in trained:
        raise UserError(
            "this figure needs real images, and the weights do not name their data: type data=svhn or another"
        )
    trained = {"seed": 0, **deepcopy(trained), "packs": config["packs"]}
    trained.pop("system", None)  # only the real images are needed
    if config["root"]:
        for node in sources(trained["data"]):
            node["root"] = str(config["root"])
    return build_data(trained) if split is None else data_of_split(trained, split)


def find_pack(
    model: Model, data: Callable[[str | None], ImageDataModule | None], name: str, split: str | None
) -> Pack | None:
    """Return the pack of a split of the data, None without such a split; ``UserError`` if it does not fit the model."""
    module = data(split)
    if module is None:
        return None
    if not isinstance(model.system, GAN):
        return module.pack
    channels, height, width = model.discriminator_inputs()[0].shape[1:]
    if module.pack.images.shape[1:] != (height, width, channels):
        found = "x".join(map(str, module.pack.images.shape[1:]))
        raise UserError(
            f"{model.name} has {height}x{width}x{channels} images and data={name} has {found}: "
            f"type data.image_size={height} data.channels={channels}, or take another checkpoint"
        )
    return module.pack
