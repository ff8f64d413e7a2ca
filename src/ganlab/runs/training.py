"""One training run, from its configuration to its last word."""

import logging
import shutil
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

from ganlab.callbacks.signals import Interrupted
from ganlab.callbacks.tracker import Tracker
from ganlab.configuration.checking import check
from ganlab.configuration.commands import command
from ganlab.data.module import ImageDataModule, require_shares
from ganlab.errors import UserError
from ganlab.runs.build import build_data, build_system, build_trainer, load_weights
from ganlab.runs.callbacks import Watch, build_callbacks
from ganlab.runs.console import log
from ganlab.runs.devices import Processes
from ganlab.runs.environment import describe, new_run_id
from ganlab.runs.folder import RunFolder
from ganlab.runs.loggers import build_loggers, require_loggers
from ganlab.runs.machine import Machine, fused_players, resident, resolve_auto
from ganlab.runs.metrics import truncate_after
from ganlab.runs.peers import Peers
from ganlab.runs.rehearsal import rehearse_system
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.checkpoint import BEST, LAST, Checkpoint
from ganlab.systems.restoring import load_callbacks, require_continuable


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
    processes = Processes(plain["trainer"])
    with Peers(processes.world) as peers:
        require_trainable(plain, processes, peers)
        return train_run(plain, processes, peers)


def require_trainable(config: dict[str, Any], processes: Processes, peers: Peers) -> None:
    """Refuse what these devices cannot train before anything is read; meet processes that were started from outside.

    They meet before the first of them does what takes long, such as packing, and wait for it as long as it lives.
    """
    world, machine = processes.world, Machine.here(config["trainer"]["accelerator"])
    require_shares(config["data"]["batch_size"], world.size, accumulate=config["accumulate"])
    machine.require(config["machine"])
    require_loggers(config["logger"])
    strategy = build_trainer(resolve_auto(config, machine.choices(), None), [], [], environment=processes).strategy
    if world.size > world.devices or (world.started and not peers.links):  # else `fit` starts the others of this node
        if not world.started:
            peers.start(processes.main_address, processes.main_port)
        strategy.setup_environment()
        peers.connect(strategy.broadcast, processes.main_address)
        processes.broadcast = strategy.broadcast


def train_run(config: dict[str, Any], processes: Processes, peers: Peers) -> float | None:
    """Train or continue the run of a checked configuration."""
    folder, first = RunFolder(Path(config["outputs"]) / str(config["run"])), peers.first
    with folder.locked() if first else nullcontext():
        start = folder.start(config, config["checkpoint"] if first else None)
        run = build(folder, config, start, processes)
        if run is None:
            if first:
                print(f"Run {folder.path} is finished. To continue it: {folder.command} max_images=MORE")
                print("To start again: the same command with another run=")
            return folder.score()
        prepare(run, first)
        run_id = new_run_id(folder.environment)
        if first:
            start = record(folder, run, start, run_id)
        return fit(folder, run, start, run_id, processes, peers)


def build(folder: RunFolder, config: dict[str, Any], start: Checkpoint | None, processes: Processes) -> Run | None:
    """Build the parts of a run and its missing packs; return None if the run is finished."""
    foreign = start is not None and start.path.parent != folder.checkpoints
    recorded = start.state["config"] if start and not foreign else None  # choices of the machine that hold for the run
    machine = Machine.here(config["trainer"]["accelerator"])
    exact, width = bool(config["trainer"]["deterministic"]), config["architecture"].get("width")
    config = resolve_auto(config, machine.choices(exact, width), recorded)
    rehearse_system(config, processes.world.size)
    data, system = build_data(config), build_system(config)
    sizes = config["data"]["batch_size"], processes.world.size, system.stages.batch_sizes
    require_shares(*sizes, accumulate=config["accumulate"])
    if start:
        load_weights(system, start, config)
        require_continuable(start, system)
    data.prepare_data()
    length = length_in_images(config, len(data.pack))
    if processes.broadcast(processes.world.rank == 0 and folder.finished(length)):
        return None
    if start and foreign and length is not None and start.state["images_seen"] >= length:
        raise UserError(
            f"{start.path} has seen {start.state['images_seen']:,} images already, which count in the run's length: "
            f"type a larger max_images= or max_epochs="
        )
    if start and not foreign and config.get("data_changed") != "accept":
        folder.require_same_data(start, data)
    config["data_changed"] = "refuse"  # accepted once, at this start
    minibatches = inf if length is None else length / config["data"]["batch_size"]
    config = resolve_auto(config, machine.compiling(minibatches), recorded)
    data.batch_size_at = lambda seen: system.stages(seen).batch_size or config["data"]["batch_size"]
    machine.prepare(config)  # refusals that cost nothing come before metrics, which may train a feature network
    system.check_labels(data.pack.labels if config["data"]["labels"] else None)
    watch = build_callbacks(folder, config, data, system, length)
    if start and not foreign:
        load_callbacks(start, watch.callbacks)
    trainer = build_trainer(config, watch.callbacks, [], watch.writer, processes)
    return Run(config, machine, data, system, watch, trainer, length)


def prepare(run: Run, first: bool) -> None:
    """Check what depends on the devices, take the features of the real images, and compile the networks."""
    config, data, system, world_size = run.config, run.data, run.system, run.trainer.world_size
    data.check(world_size, {data.batch_size_at(0)} | system.stages.batch_sizes, config["accumulate"])
    device = run.trainer.strategy.root_device
    data.resident = resident(config["machine"]["data_on_device"], data, device)
    if run.watch.evaluations and first:
        run.watch.evaluations.evaluator.prepare_reals(device, split=config["data"].get("split"))
    system.compile_networks(config["machine"]["compile"])


def record(folder: RunFolder, run: Run, start: Checkpoint | None, run_id: str) -> Checkpoint | None:
    """Make the folder, record what the run is made with, and return the run's own checkpoint to start from.

    An error leaves no new folder.
    """
    new = not folder.path.exists()
    try:
        return _record(folder, run, start, run_id)
    except BaseException:
        if new:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise


def _record(folder: RunFolder, run: Run, start: Checkpoint | None, run_id: str) -> Checkpoint | None:
    config, data, system = run.config, run.data, run.system
    fused = len(fused_players(config, system)) == len(system.players)
    chosen = {"fused": fused, "data_on_device": data.resident, "precision": config["trainer"]["precision"]}
    environment = describe(HydraConfig.get().overrides.task, run_id, data.pack.manifest["key"])
    folder.create(config, environment | {"chosen": config["machine"] | chosen}, start)
    log.open(folder.log)
    if start and start.path.parent != folder.checkpoints:
        start = folder.adopt(start, config, data)
    truncate_after(folder.metrics, start.state["images_seen"] if start else -1)
    announce(folder, run, start)
    return start


def fit(
    folder: RunFolder, run: Run, start: Checkpoint | None, run_id: str, processes: Processes, peers: Peers
) -> float | None:
    """Train with loggers, which are closed whatever happens; return the run's score."""
    config, trainer, watch, first = run.config, run.trainer, run.watch, peers.first
    peers.before_exit, watch.signals.leave = watch.writer.thread.shutdown, peers.exit
    path = start.path if start else None
    if config["checkpoint"] and not first:
        path = folder.checkpoints / LAST  # by now the first process has put it there
    began = time.monotonic()
    with watch.signals:
        try:
            trainer.loggers = build_loggers(folder, config, run_id, watch.writer)
            if not processes.world.started and not peers.children:
                peers.start(processes.main_address, processes.main_port)
            trainer.fit(run.system, datamodule=run.data, ckpt_path=path, weights_only=True)
            if first:
                conclude(folder, run, time.monotonic() - began)
        except Interrupted as stop:
            if first:
                print(f"\n{stop}. To continue: {folder.command}", file=sys.stderr)
            sys.exit(stop.exit_code)
        except BaseException as error:
            peers.fail(error)  # before loggers take their time
            raise
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
    for package in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(package).setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # a profiler's table
    hints = "have many workers|`IterableDataset` has `__len__`|configured with model summary|ranks is zero|LeafSpec"
    warnings.filterwarnings("ignore", f".*({hints})")
