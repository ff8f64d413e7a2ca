"""What the paper's figures and tables are made from: models out of checkpoints, and the real images they go with."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import torch

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.networks.authors import load_discriminator, load_generator
from ganlab.objectives.losses import NonSaturating
from ganlab.paper.classifiers import Judges
from ganlab.paper.figure import Material, Model, Outcome
from ganlab.runs.build import build_data, choose_device, load_system, make
from ganlab.runs.real_images import pack_of_split, sources
from ganlab.systems.adversary import Adversary
from ganlab.systems.gan import GAN
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, sequential


def material_of(
    config: dict[str, Any],
    paths: Mapping[str, Path],
    folder: Path,
    judges: Judges,
    interim: Callable[[Outcome], None] = lambda outcome: None,
) -> Material:
    """Load the models, and say where real images come from."""
    models = {role: load(path, config["device"], config["label"]) for role, path in paths.items()}
    if not models:  # drawn from networks as they are configured
        networks = [make(config["architecture"][name], f"architecture.{name}") for name in (GENERATOR, DISCRIMINATOR)]
        models = {"checkpoint": Model(bare(*networks), {}, "the configuration")}
    model = models["checkpoint"]
    data = {**model.config, "data": config["data"]} if config.get("data") is not None else model.config
    return Material(
        models,
        cache(partial(pack_of, model, data, config)),
        judges,
        None if config["exemplars"] is None else Path(str(config["exemplars"])).expanduser(),
        None if config["boxes"] is None else Path(str(config["boxes"])).expanduser(),
        config["seed"],
        folder,
        interim,
    )


def load(path: Path, device: str, shown: int) -> Model:
    """Return a run's checkpoint, or the authors' released weights (an .npz), as a model."""
    if path.suffix == ".npz":
        authors = bare(load_generator(path), load_discriminator(path))
        return Model(authors.to(choose_device(device)).eval(), {}, str(path), shown)
    system, config = load_system(path, device)
    if not isinstance(system, GAN):
        raise UserError(f"{path} is no GAN of one generator and one discriminator, which the paper's figures are of")
    return Model(system, config, str(path), shown)


def bare(generator: torch.nn.Module, discriminator: torch.nn.Module) -> GAN:
    """Return networks as a system that is never trained."""
    optimizers = {player: partial(torch.optim.SGD, lr=0.0) for player in (GENERATOR, DISCRIMINATOR)}
    return GAN(generator, discriminator, optimizers, Adversary(NonSaturating()), sequential(), seed=0)


def fingerprint(model: Model) -> str:
    """Return a checksum of a model's generator, by which a file of exemplars or boxes knows it again."""
    value = 0
    for values in model.generator.state_dict().values():
        value = crc32(values.detach().cpu().contiguous().numpy().tobytes(), value)
    return f"{value:08x}"


def pack_of(model: Model, trained: dict[str, Any], config: dict[str, Any], split: str | None) -> Pack | None:
    """Return the pack of a split of the data; None where they have none of that name.

    Raises:
        UserError: the data are not here, or their images are of another size than the model's.
    """
    if "data" not in trained:
        raise UserError("this needs real images, and the weights do not tell which: type data=svhn or the like")
    trained = {"seed": 0, **deepcopy(trained), "packs": config["packs"]}
    trained.pop("system", None)  # real images alone are asked for
    if config["root"]:
        for node in sources(trained["data"]):
            node["root"] = str(config["root"])
    pack = build_data(trained).pack if split is None else pack_of_split(trained, split)
    if pack is not None:
        channels, height, width = model.image()[0].shape[1:]
        if pack.images.shape[1:] != (height, width, channels):
            found = "x".join(map(str, pack.images.shape[1:]))
            raise UserError(
                f"{model.name} is of {height}x{width}x{channels} images and data={trained['data']['name']} of {found}: "
                f"type data.image_size={height} data.channels={channels}, or take another checkpoint"
            )
    return pack
