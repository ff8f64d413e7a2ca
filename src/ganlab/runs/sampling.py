"""Samples of a checkpoint as pictures."""

from pathlib import Path

from omegaconf import DictConfig

from ganlab.errors import UserError
from ganlab.report.grids import save_each, save_grid
from ganlab.runs.assembly import load_system
from ganlab.runs.checking import check
from ganlab.runs.folder import run_of


def sample(config: DictConfig) -> None:
    """Write a grid of samples, or one PNG each with ``grid=false``, and say where.

    Equal checkpoint, ``seed`` and ``batch_size`` give equal samples, whatever the ``count``.
    """
    check(config)
    count, seed, checkpoint = config.count, config.seed, Path(config.checkpoint)
    condition = {} if config.label is None else {"label": config.label}
    system, _ = load_system(checkpoint, config.device)
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
    try:
        if config.grid:
            save_grid(images, path)
        else:
            save_each(images, path)
    except OSError as error:
        raise UserError(f"output={path} cannot be written: {error.strerror}") from error
    print(f"{count} samples of {checkpoint} (seed {seed}): {path}")
