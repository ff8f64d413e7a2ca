"""Samples of a checkpoint as pictures."""

import math
from pathlib import Path

import torch
from omegaconf import DictConfig

from ganlab.configuration.checking import check
from ganlab.errors import UserError
from ganlab.latent.exemplars import Sheet
from ganlab.networks.latents import LatentGenerator
from ganlab.networks.layers.choosing import choose
from ganlab.networks.statistics import STATISTICS
from ganlab.report.grids import save_each, save_grid
from ganlab.runs.build import load_system
from ganlab.runs.folder import run_of
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.clock import generator_of
from ganlab.systems.update import GENERATOR


def sample(config: DictConfig) -> None:
    """Write a grid of samples and their latents, or one PNG each with ``grid=false``, and say where.

    Equal checkpoint, ``seed`` and ``batch_size`` give equal samples, whatever the ``count``. The latents lie beside the
    grid in an .npz of the same name, see `ganlab.latent.exemplars.Sheet`: row 3, column 5 of the picture is a latent
    that walks and sums can take.
    """
    check(config)
    count, seed, checkpoint = config.count, config.seed, Path(config.checkpoint)
    condition = {} if config.label is None else {"label": config.label}
    system, _ = load_system(checkpoint, config.device)
    if config.statistics is not None:
        take_statistics(system, config.statistics)
    name = f"{checkpoint.stem}_{system.clock.images_seen:09d}_seed{seed}"
    name += f"_label{config.label}" if condition else ""
    path = (
        Path(config.output)
        if config.output
        else run_of(checkpoint) / "samples" / (f"{name}.png" if config.grid else name)
    )
    if config.grid and path.suffix.lower() != ".png":
        raise UserError(f"output={path} must end in .png for a grid; for single files in a folder type grid=false")
    if not config.grid and path.is_file():
        raise UserError(f"output={path} is a file: with grid=false give a folder")
    images = system.sample(count, seed, config.batch_size, **condition)
    beside = ""
    try:
        if config.grid:
            save_grid(images, path)
            if (sheet := sheet_of(system, count, seed, config.batch_size, config.label)) is not None:
                sheet.save(path.with_suffix(".npz"))
                beside = f", their latents: {path.with_suffix('.npz')}"
        else:
            save_each(images, path)
    except OSError as error:
        raise UserError(f"output={path} cannot be written: {error.strerror}") from error
    print(f"{count} samples of {checkpoint} (seed {seed}): {path}{beside}")


def take_statistics(system: AdversarialSystem, statistics: str) -> None:
    """Let a system that was loaded be sampled with other batch norm statistics than its own."""
    try:
        choose(STATISTICS, statistics, "sampling statistics")
    except ValueError as error:
        raise UserError(f"statistics={statistics}: {error}") from error
    for player in system.players:
        if hasattr(network := system.sampler(player), "sampling_statistics"):
            network.sampling_statistics = statistics


def sheet_of(system: AdversarialSystem, count: int, seed: int, batch_size: int, label: int | None) -> Sheet | None:
    """Return the latents, and labels, that ``system.sample`` makes a grid of; None where a family samples otherwise."""
    if GENERATOR not in system.players or not isinstance(network := system.sampler(GENERATOR), LatentGenerator):
        return None
    latents: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    for index in range(-(-count // batch_size)):  # sampled in whole batches
        latents.append(network.draw_latents(batch_size, generator_of(seed, index)))
        if network.classes:
            given = None if label is None else torch.full((batch_size,), label)
            drawn = system.generation_labels(index, batch_size, seed) if given is None else given
            assert drawn is not None, "a generator with classes is sampled with labels"
            labels.append(drawn)
    columns = math.ceil(math.sqrt(count))  # those of save_grid
    return Sheet(torch.cat(latents)[:count], torch.cat(labels)[:count] if labels else None, columns)
