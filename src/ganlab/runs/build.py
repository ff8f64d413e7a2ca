"""Builds the objects that a checked configuration names."""

import os
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.plugins.environments import ClusterEnvironment
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ganlab.callbacks.writer import Writer
from ganlab.configuration import recorded
from ganlab.configuration.checking import built, differences, find
from ganlab.configuration.commands import command
from ganlab.configuration.text import unquoted
from ganlab.data.deduplication.hashing import Hashing
from ganlab.data.inputs import MadeInputs
from ganlab.data.module import ImageDataModule
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.source import NotFetchedError, Source, Subset
from ganlab.data.references import Reference
from ganlab.data.sources.image_file import ImageFile
from ganlab.data.spec import PackSpec
from ganlab.errors import UserError, out_of_memory
from ganlab.evaluation.build import build_evaluator, needs_features
from ganlab.evaluation.evaluator import Evaluator
from ganlab.metrics.extractors.choosing import choose_features
from ganlab.runs.devices import choose_devices, choose_strategy, count_of, shares_batch_norm
from ganlab.runs.machine import has_fused_kernel
from ganlab.runs.ranks import rank
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.adversary import Adversary
from ganlab.systems.checkpoint import Checkpoint, WholeCheckpointIO, read
from ganlab.systems.clock import seed_step
from ganlab.systems.data_parallel import PlayerParallel
from ganlab.systems.rehearsal import META

Config = Mapping[str, Any]

SHAPES = ("architecture.", "data.image_size", "data.channels", "data.num_classes", "ema.")  # of weights
EXAMPLES = {  # of data, by what their batches hold
    "images": "data=folder",
    "targets": "data=pairs",
    "masks": "data.inputs=centre_hole",
    "b": "data=domains",
    "image": "data=image",
}


def make(node: Config, what: str) -> Any:
    """Build the ``_target_`` of a node; a refused value raises a ``UserError`` about ``what``."""
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, (UserError, OSError)):
            raise cause from None
        if isinstance(cause, (ValueError, TypeError, ArithmeticError, RuntimeError)) and not out_of_memory(cause):
            raise UserError(f"{what}: {str(cause).partition(chr(10))[0]}") from error
        raise


def build_spec(config: Config) -> PackSpec:
    """Return the specification of the pack of ``config["data"]``; only a listing is read."""
    data = config["data"]
    try:
        source: Source = make(data["source"], "data")
    except NotFetchedError as error:
        typed = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
        pairs = (each.split("=", 1) for each in typed if each.startswith(("data.", "packs=")) and "=" in each)
        arguments = {key: unquoted(value) for key, value in pairs} | error.arguments
        paths = {key: Path(arguments[key]) for key in ("data.root", "packs") if key in arguments}
        raise UserError(error.message(command("prepare", **(error.arguments | arguments | paths)))) from None
    if data["count"] is not None and data["count"] < len(source):
        source = Subset(source, data["count"])
    side = data["image_size"] if data["pack_size"] is None else data["pack_size"]
    protocol = PictureProtocol(side, **{key: data[key] for key in ("channels", "resize", "crop", "decode")})
    if {"boxes", "masks"} & source.extras.keys() and (side != data["image_size"] or isinstance(data["crop"], int)):
        raise UserError(
            f"data={data['name']} has boxes or masks of uncropped pictures: take data.pack_size=null data.crop=square"
        )
    return PackSpec(
        source,
        protocol,
        Path(config["packs"]).expanduser(),
        data["max_broken"],
        data["workers"],
        Hashing(**data["deduplication"]) if data["deduplicate"] else None,
        data["max_dropped"],
    )


def build_data(config: Config) -> ImageDataModule:
    """Return the data module of ``config["data"]``; only a listing is read."""
    require_learnable(config)
    data = config["data"]
    if "_target_" in data["source"]:
        specs: PackSpec | dict[str, PackSpec] = build_spec(config)
    else:  # a source for each domain
        nodes = data["source"].items()
        specs = {name: build_spec({**config, "data": {**data, "source": node}}) for name, node in nodes}
    keys = ("image_size", "flip", "labels", "inputs", "overlap", "level", "input_channels")
    options = {key: data[key] for key in keys if key in data}  # older runs lack the last three
    return ImageDataModule(specs, data["batch_size"], config["seed"], **options)


def require_learnable(config: Config) -> None:
    """Raise ``UserError`` if batches of ``config["data"]`` would lack what ``config["system"]`` learns from."""
    data = config["data"]
    node, name, inputs = data["source"], data["name"], data["inputs"]
    held: tuple[str, ...] = find(node["_target_"]).pictures if "_target_" in node else tuple(node)  # names of domains
    if inputs != "none":
        made = MadeInputs(inputs)
        if held != ("images",):
            what = f"data.inputs={inputs} is made from images"
            raise UserError(f"{what}; data={name} holds {' and '.join(held)}: type data.inputs=none")
        held = made.entries
    if "system" in config:
        target = config["system"]["_target_"]
        needed: tuple[str, ...] = find(target).learns_from
        if missing := [entry for entry in needed if entry not in held]:
            fix = "data.inputs=none" if inputs != "none" and needed == ("images",) else EXAMPLES[missing[-1]]
            given = f"data={name}" if inputs == "none" else f"data={name} data.inputs={inputs}"
            raise UserError(
                f"system={target.split('.')[-2]} learns from {' and '.join(needed)}; {given} holds "
                f"{' and '.join(held)}: type {fix}, or choose another system"
            )
    elif held == ImageFile.pictures:
        raise UserError(f"data={name} is one picture that stays a file: there is no pack to make")


def build_system(config: Config) -> AdversarialSystem:
    """Return the system with freshly drawn weights, the same for the same seed."""
    seed_step(config["seed"], 0, 0)
    networks = {
        name: partial(make, node, f"architecture.{name}") for name, node in built(config["architecture"]).items()
    }
    optimizers = {name: make(node, f"optimizer.{name}") for name, node in built(config["optimizer"]).items()}
    machine = config.get("machine", {})
    for name, optimizer in optimizers.items():
        if machine.get("fused") is True and has_fused_kernel(optimizer):
            optimizer = optimizers[name] = partial(optimizer, fused=True)
        try:
            optimizer([torch.nn.Parameter(torch.zeros(1, device="cpu"))])
        except (ValueError, TypeError, IndexError) as error:
            raise UserError(f"optimizer.{name} cannot be made: {error}") from error
    try:
        system: AdversarialSystem = find(config["system"]["_target_"]).from_roles(
            networks,
            optimizers,
            partial(build_adversary, config),
            lambda: {name: make(node, f"regularizer.{name}") for name, node in built(config["regularizer"]).items()},
            update=make(config["update"], "update"),
            seed=config["seed"],
            accumulate=config["accumulate"],
            half_life=config["ema"]["half_life"],
            clip_norm=config["optimizer"]["clip_norm"],
            # schedule=none names nothing, but a recipe may add values to it
            schedule=make(config["schedule"], "schedule") if "_target_" in config["schedule"] else None,
            channels_last=machine.get("channels_last") is not False,
            **{key: value for key, value in config["system"].items() if key not in ("_target_", "joint", "replay")},
        )
        return system
    except ValueError as error:
        raise UserError(str(error)) from error


def build_adversary(config: Config, **options: Any) -> Adversary:
    """Return a new adversary of one discriminator, which shares no state with others."""
    return Adversary(
        make(config["objective"], "objective"),
        {name: make(node, f"penalty.{name}") for name, node in built(config["penalty"]).items()},
        [make(node, f"augment.{name}") for name, node in built(config["augment"]).items()],
        joint=config["system"]["joint"],
        replay=config["system"]["replay"],
        **options,
    )


def load_system(path: str | Path, device: str = "auto") -> tuple[AdversarialSystem, dict[str, Any]]:
    """Rebuild the system of a checkpoint from the configuration inside it, see `recorded.take`; return both."""
    place, checkpoint = choose_device(device), read(path)
    config, loaded = recorded.take(checkpoint["config"], path), Checkpoint(Path(path), checkpoint)
    try:
        with META, warnings.catch_warnings(action="ignore"):  # sizes are compared before memory is asked for
            load_weights(build_system(config), loaded)
        system = build_system(config)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise UserError(f"{path} cannot be built from its configuration: {error!r}") from error
    load_weights(system, loaded)
    return system.to(place).eval(), config


def load_weights(system: AdversarialSystem, checkpoint: Checkpoint, config: Config | None = None) -> None:
    """Load a checkpoint's state into a system of the same architecture; ``config`` names what differs if it is not.

    Penalties, augmentations and replay may differ from those of the checkpoint; their state then starts from scratch.
    """
    try:
        keys = system.load_state_dict(checkpoint.state["state_dict"], strict=False)
        reasons = [f"{key} is not in both" for key in (*keys.missing_keys, *keys.unexpected_keys)]
        reasons = [
            reason for reason in reasons if not reason.startswith(("adversary.", "adversaries.", "regularizers."))
        ]
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reasons = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
    if reasons:
        changed = differences(checkpoint.state["config"], config) if config else []
        changed = sorted((line for line in changed if line.startswith(SHAPES)), key=len)  # shared keys first
        raise UserError(
            f"{checkpoint.path} was trained with another architecture: {'; '.join([*changed[:3], reasons[0]])}; "
            f"type the architecture, data.image_size, data.channels and ema of its run"
        )
    system.stage = system.stages(system.clock.images_seen)
    system.strict_loading = False  # Lightning loads the same once more


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` is the first GPU, or else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} is not there: type device=cpu or device=auto") from error
    return device


def build_metrics(config: Config, references: Mapping[str, Reference]) -> Evaluator | None:
    """Return the evaluator for the tasks of ``references``, with its feature network; None for ``metrics=none``."""
    features, remark = None, ""
    if needs_features(config["metrics"]):
        features = choose_features(**config["features"], pack=next(iter(references.values())).reals)
        missing = "Inception's weights cannot be had here: no FID; swd, which needs no network, is measured."
        remark = (features.remark or "") if features else missing
    evaluator = build_evaluator(config["metrics"], references, features, seed=config["seed"])
    if remark and rank() == 0:
        print(remark)
    return evaluator


def build_trainer(
    config: Config,
    callbacks: list[L.Callback],
    loggers: list[Logger],
    writer: Writer | None = None,
    environment: ClusterEnvironment | None = None,
) -> L.Trainer:
    """Return Lightning's trainer without all that counts in its own steps; ``writer`` saves in the background.

    Without an ``environment``, which knows where the processes of a run are, Lightning starts those of this node.
    """
    options = {key: value for key, value in config["trainer"].items() if key != "_target_"}
    options["devices"] = devices = choose_devices(options)
    processes = count_of(devices) * options["num_nodes"]
    options["sync_batchnorm"] = shares_batch_norm(options, processes)  # decided at each start
    options["strategy"] = choose_strategy(options, processes)
    if processes > 1:
        options["strategy"] = PlayerParallel()
    plugins = [WholeCheckpointIO(writer.submit if writer else None), *([environment] if environment else [])]
    try:
        trainer = L.Trainer(
            **options | {"plugins": [*plugins, *(options["plugins"] or [])]},
            max_epochs=-1,
            callbacks=callbacks,
            logger=loggers,
            default_root_dir=os.devnull,  # where Lightning looks for the checkpoints that its SLURM plugin writes
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            log_every_n_steps=1_000_000_000,
        )
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"the trainer refuses its values: {reason}") from error
    # Signals are for ganlab.callbacks.signals alone. With several ranks Lightning's own handler waits for the others,
    # and its loop broadcasts rank 0's signals before every batch, for which every rank waits with its device.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    return trainer
