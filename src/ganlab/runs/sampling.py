"""Samples of a checkpoint as pictures."""

import math
from pathlib import Path

import torch
from omegaconf import DictConfig

from ganlab.configuration.checking import check
from ganlab.errors import UserError
from ganlab.files import writing
from ganlab.latent.exemplars import LatentGrid
from ganlab.networks.statistics import STATISTICS
from ganlab.report.grids import save_each, save_grid
from ganlab.runs.build import load_system
from ganlab.runs.folder import run_of
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.gan import GAN
from ganlab.systems.request import Request


def sample(config: DictConfig) -> None:
    """Write a grid of samples and its `LatentGrid` for walks and sums, or one PNG each with ``grid=false``.

    Equal checkpoint and ``seed`` give equal samples, whatever the ``count``.
    """
    check(config)
    count, seed, checkpoint = config.count, config.seed, Path(config.checkpoint)
    system, _ = load_system(checkpoint, config.device)
    if config.statistics is not None:
        take_statistics(system, config.statistics)
    name = f"{checkpoint.stem}_{system.clock.images_seen:09d}_seed{seed}"
    name += f"_label{config.label}" if config.label is not None else ""
    folder = run_of(checkpoint) / "samples"
    path = Path(config.output) if config.output else folder / (f"{name}.png" if config.grid else name)
    if config.grid and path.suffix.lower() != ".png":
        raise UserError(f"output={path} must end in .png for a grid; for single files in a folder type grid=false")
    if not config.grid and path.is_file():
        raise UserError(f"output={path} is a file: with grid=false give a folder")
    images = system.sample(count, seed, label=config.label)
    latents = ""
    with writing(path):
        (save_grid if config.grid else save_each)(images, path)
        if config.grid and isinstance(system, GAN):
            latent_grid(system, count, seed, config.label).save(path.with_suffix(".npz"))
            latents = f", their latents: {path.with_suffix('.npz')}"
    print(f"{count} samples of {checkpoint} (seed {seed}): {path}{latents}")


def take_statistics(system: AdversarialSystem, statistics: str) -> None:
    """Set the batch norm statistics of a loaded system's generators."""
    if statistics not in STATISTICS:
        raise UserError(f"statistics={statistics} does not exist: choose one of {', '.join(STATISTICS)}")
    for name in system.networks:
        if hasattr(network := system.ema_or_raw(name), "sampling_statistics"):
            network.sampling_statistics = statistics


def latent_grid(system: GAN, count: int, seed: int, label: int | None) -> LatentGrid:
    """Return the latents and labels behind a grid of ``system.sample``."""
    request = Request.first(count, labels=None if label is None else torch.full((count,), label))
    columns = math.ceil(math.sqrt(count))  # those of save_grid
    return LatentGrid(system.latents_for(request, seed), system.labels_for(request, seed), columns)
