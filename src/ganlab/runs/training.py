"""One training run, from its configuration to its last word."""

import logging
import sys
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ganlab.callbacks.checkpoints import Interrupted
from ganlab.callbacks.tracker import Tracker
from ganlab.configuration.checking import check
from ganlab.configuration.commands import command
from ganlab.data.module import ImageDataModule
from ganlab.errors import UserError
from ganlab.runs.build import build_data, build_system, build_trainer, load_weights
from ganlab.runs.callbacks import Watch, build_callbacks
from ganlab.runs.environment import describe, new_run_id
from ganlab.runs.folder import RunFolder
from ganlab.runs.loggers import build_loggers, require_loggers
from ganlab.runs.machine import Machine, fused_players, resident, resolve_auto
from ganlab.runs.metrics import truncate_after
from ganlab.runs.ranks import rank
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.checkpoint import BEST, LAST, Checkpoint


@dataclass(frozen=True)
class Run:
    """The parts of a run, built and checked; nothing of it is on the disk yet."""

    config: dict[str, Any]  # plain containers, every choice of the machine made
    machine: Machine
    data: ImageDataModule
    system: AdversarialSystem
    watch: Watch
    trainer: L.Trainer  # without loggers
    length: int | None  # in images; None for a run without end


def train(config: DictConfig) -> float | None:
    """Train or continue the run of a configuration; return its best score, None without metrics.

    Any mistake of the user's raises ``UserError`` and leaves no run that the next start would continue.
    """
    silence_lightning()
    plain = check(config)
    folder = RunFolder(Path(plain["outputs"]) / str(plain["run"]))
    first = rank() == 0  # of the processes that a distributed strategy starts
    with folder.locked() if first else nullcontext():
        start = folder.start(plain, plain["checkpoint"] if first else None)
        run = build(folder, plain, start)
        if run is None:
            print(f"Run {folder.path} is finished. To continue it: {folder.command} max_images=MORE")
            print("To start again: the same command with another run=")
            return folder.score()
        prepare(run, first)
        run_id = new_run_id(folder.environment)
        if first:
            start = record(folder, run, start, run_id)
        return fit(folder, run, start, run_id, first)


def build(folder: RunFolder, config: dict[str, Any], start: Checkpoint | None) -> Run | None:
    """Build the parts of a run and its missing packs; return None if the run is finished."""
    foreign = start is not None and start.path.parent != folder.checkpoints
    recorded = start.state["config"] if start and not foreign else None  # choices of the machine that hold for the run
    machine = Machine.here(config["trainer"]["accelerator"])
    exact, width = bool(config["trainer"]["deterministic"]), config["architecture"].get("width")
    config = resolve_auto(config, machine.choices(exact, width), recorded)
    data, system = build_data(config), build_system(config)
    data.prepare_data()
    length = length_in_images(config, len(data.pack))
    if rank() == 0 and folder.finished(length):
        return None
    if start and foreign and length is not None and start.state["images_seen"] >= length:
        raise UserError(
            f"{start.path} has seen {start.state['images_seen']:,} images already, which count in the run's length: "
            f"type a larger max_images= or max_epochs="
        )
    minibatches = inf if length is None else length / config["data"]["batch_size"]
    config = resolve_auto(config, machine.compiling(minibatches), recorded)
    data.batch_size_at = lambda seen: system.stages(seen).batch_size or config["data"]["batch_size"]
    machine.prepare(config)  # refusals that cost nothing come before metrics, which may train a feature network
    system.check_labels(data.pack.labels if config["data"]["labels"] else None)
    if start:
        load_weights(system, start, config)
    watch = build_callbacks(folder, config, data, system, length)
    return Run(config, machine, data, system, watch, build_trainer(config, watch.callbacks, [], watch.writer), length)


def prepare(run: Run, first: bool) -> None:
    """Check what depends on the devices, take the features of the real images, and compile the networks."""
    config, data, system, world_size = run.config, run.data, run.system, run.trainer.world_size
    sizes = {data.batch_size_at(0)} | system.stages.batch_sizes
    data.check(world_size, sizes, config["accumulate"], system.least_batch)
    device = run.trainer.strategy.root_device
    data.resident = resident(config["machine"]["data_on_device"], data, device)
    require_loggers(config["logger"])
    if run.watch.evaluations and first:
        run.watch.evaluations.evaluator.prepare_reals(device, split=config["data"].get("split"))
    system.compile_networks(config["machine"]["compile"])


def record(folder: RunFolder, run: Run, start: Checkpoint | None, run_id: str) -> Checkpoint | None:
    """Make the folder, record what the run is made with, and return the run's own checkpoint to start from."""
    config, data, system = run.config, run.data, run.system
    fused = len(fused_players(config, system)) == len(system.players)
    chosen = {"fused": fused, "data_on_device": data.resident, "precision": config["trainer"]["precision"]}
    environment = describe(HydraConfig.get().overrides.task, run_id, data.pack.manifest["key"])
    folder.create(config, environment | {"chosen": config["machine"] | chosen})
    if start and start.path.parent != folder.checkpoints:
        start = folder.adopt(start, config)
    truncate_after(folder.metrics, start.state["images_seen"] if start else -1)
    announce(folder, run, start)
    return start


def fit(folder: RunFolder, run: Run, start: Checkpoint | None, run_id: str, first: bool) -> float | None:
    """Train with loggers, which are closed whatever happens; return the run's score."""
    config, trainer, writer = run.config, run.trainer, run.watch.writer
    trainer.loggers = build_loggers(folder, config, run_id, writer)
    path = start.path if start else None
    if config["checkpoint"] and not first:
        path = folder.checkpoints / LAST  # by now the first process has put it there
    began = time.monotonic()
    try:
        trainer.fit(run.system, datamodule=run.data, ckpt_path=path, weights_only=True)
        if first:
            conclude(folder, run, time.monotonic() - began)
    except Interrupted as stop:
        if first:
            print(f"\n{stop}. To continue: {folder.command}", file=sys.stderr)
        sys.exit(stop.exit_code)
    finally:
        for logger in trainer.loggers:
            if isinstance(logger, Tracker):
                logger.finish()
    return folder.score()


def length_in_images(config: dict[str, Any], count: int) -> int | None:
    """Return the length of a run, the smaller of its two limits; None if it has none."""
    epochs = config["max_epochs"]
    limits = [config["max_images"], None if epochs is None else int(epochs * count)]
    return min((limit for limit in limits if limit is not None), default=None)


def announce(folder: RunFolder, run: Run, start: Checkpoint | None) -> None:
    """Print what is about to be trained, on what and where."""
    data, (count, height, width, channels) = run.config["data"], run.data.pack.images.shape
    sizes = {name: sum(p.numel() for p in network.parameters()) for name, network in run.system.networks.items()}
    networks = ", ".join(f"{name} {size:,} parameters" for name, size in sizes.items())
    print(f"data      {data['name']}: {count:,} images of {height}x{width}x{channels}")
    print(f"networks  {networks}; batch {data['batch_size']}")
    print(f"machine   {run.machine.describe(run.config, run.system, run.data, run.trainer.world_size)}")
    print(f"run       {folder.path}" + (f", from {start.path}" if start else ""), flush=True)


def conclude(folder: RunFolder, run: Run, seconds: float) -> None:
    """Print the last metrics, where things are, and what to try next."""
    seen, evaluations = run.system.clock.images_seen, run.watch.evaluations
    best, latest = (evaluations.best, evaluations.latest) if evaluations else (None, {})
    checkpoint = folder.checkpoints / (BEST if best else LAST)
    extreme = "highest" if evaluations and evaluations.evaluator.score_rises else "lowest"
    print(f"\nfinished    {seen:,} images, {seconds / 60:.1f} min")
    for name, value in latest.items():
        where = f"   {extreme}: {best['value']:.4g} at {best['images_seen']:,}" if best and best["name"] == name else ""
        print(f"{name:<20} {value:.4g}{where}")
    for task in run.system.tasks():
        print(f"samples     {folder.samples}/{task or 'images'}_{seen:09d}.png")
    print(f"checkpoint  {checkpoint}")
    for logger in run.trainer.loggers:
        if isinstance(logger, Tracker) and (place := logger.place()):
            print(f"dashboard   {place}")
    latent = "images" in run.system.learns_from
    tool, rest = ("sample", {"count": "100"}) if latent else ("translate", {"input": "PICTURES", "output": "OUTPUTS"})
    print(f"next        {command(tool, checkpoint=checkpoint, **rest)}", flush=True)


def silence_lightning() -> None:
    """Silence Lightning's hints about features that are not used here; its warnings about real trouble stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # a profiler's table
    hints = "have many workers|`IterableDataset` has `__len__`|configured with model summary|ranks is zero|LeafSpec"
    warnings.filterwarnings("ignore", f".*({hints})")
