"""The real images that a checkpoint is measured against."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from ganlab.data.module import ImageDataModule
from ganlab.data.packs.pack import Pack
from ganlab.data.packs.source import HELD_OUT, NoSuchSplitError
from ganlab.data.references import Reference, of_images
from ganlab.data.sources.folder import SPLITS
from ganlab.errors import UserError
from ganlab.evaluation.evaluator import Evaluator
from ganlab.evaluation.image_folders import open_images
from ganlab.runs.build import build_data, build_metrics
from ganlab.systems.request import Request


def evaluator_against(
    references: Mapping[str, Reference],
    config: dict[str, Any],
    device: torch.device,
    held_out: Callable[[], Pack | None] | None = None,
    split: str | None = None,
) -> Evaluator:
    """Return an evaluator with its real images prepared; ``UserError`` without metrics or a needed ``held_out``."""
    evaluator = build_metrics(config, references)
    if evaluator is None:
        raise UserError("metrics=none leaves nothing to evaluate: type metrics=[fid,swd]")
    if held_out is None and (names := [name for name, one in evaluator.metrics.items() if one.wants_held_out]):
        raise UserError(
            f"metrics=[{','.join(names)}] compare training images with held-out ones, and find both by themselves: "
            "leave out split= and real="
        )
    evaluator.prepare_reals(device, held_out, split)
    return evaluator


def evaluator_of(config: dict[str, Any], trained: dict[str, Any], system: Any) -> Evaluator:
    """Return the evaluator with the real images of a checkpoint's data (``trained``), or those of ``real=``."""
    device = system.device
    if config["real"] is not None:
        if system.learns_from != ("images",):
            raise UserError("real= is for systems that generate images, and this one translates: leave it out")
        channels, height, width = system.respond(Request.first(2), 0).shape[1:]
        pack = open_images("real", config["real"], Path(config["packs"]), (height, width, channels))
        require_size((height, width, channels), pack)
        return evaluator_against({"": of_images(pack)}, config, device)
    trained = deepcopy(trained) | {"packs": config["packs"]}
    if config["root"]:
        for node in sources(trained["data"]):
            node["root"] = config["root"]
    split = config["split"]
    data = build_data(trained if split is None else with_split(trained, split))
    references = {task: data.reference(task) for task in system.tasks()}
    if split is not None:
        return evaluator_against(references, config, device, split=split)
    return evaluator_against(references, config, device, lambda: held_out_of(trained), trained["data"].get("split"))


def require_size(shape: tuple[int, int, int], pack: Pack) -> None:
    """Raise ``UserError`` if a system's images, of ``shape`` (H, W, C), differ in size from the real ones."""
    height, width, channels = shape
    if shape != pack.images.shape[1:]:
        found = "x".join(map(str, (pack.images.shape[2], pack.images.shape[1], pack.images.shape[3])))
        raise UserError(
            f"the checkpoint's images are {width}x{height}x{channels} and the real ones {found}: type python "
            f"src/prepare.py data=folder data.root=FOLDER data.image_size={width} data.channels={channels}, and give "
            "that pack as real="
        )


def with_split(trained: dict[str, Any], split: str) -> dict[str, Any]:
    """Return a run's configuration with another split (of a folder, one next to it); else `NoSuchSplitError`."""
    trained = deepcopy(trained)
    data = trained["data"]
    for node in sources(data):
        if "split" in node:
            data["split"] = node["split"] = split
        elif other := sibling_folder(Path(str(node.get("root", ""))).expanduser(), split):
            node["root"] = str(other)
        else:
            raise NoSuchSplitError(f"split={split}: data={data['name']} has no splits; leave it out")
    return trained


def sibling_folder(root: Path, split: str) -> Path | None:
    """Return the folder of another split next to that of one, such as ``test`` next to ``train``."""
    other = root.parent / split
    return other if root.name.lower() in SPLITS and other.is_dir() and other != root else None


def sources(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the source nodes of a data configuration: one, or one for each domain; of a class, those of its set."""
    nodes = [data["source"]] if "_target_" in data["source"] else list(data["source"].values())
    return [node.get("source", node) for node in nodes]


def data_of_split(trained: dict[str, Any], split: str) -> ImageDataModule | None:
    """Return the data module of a split; None if the run was trained on it or its data have no such split."""
    if trained["data"].get("split") in (split, "all"):
        return None
    try:
        return build_data(with_split(trained, split))
    except NoSuchSplitError:
        return None


def pack_of_split(trained: dict[str, Any], split: str) -> Pack | None:
    """Return the pack of such a split, made if missing."""
    data = data_of_split(trained, split)
    return None if data is None else data.pack


def held_out_of(trained: dict[str, Any]) -> Pack | None:
    """Return the pack of a split that the run was not trained on; None if there is none on this machine."""
    trained = deepcopy(trained)
    for node in sources(trained["data"]):
        if "download" in node:
            node["download"] = False  # not requested
    for split in HELD_OUT:
        with suppress(UserError):  # not on this machine
            if (pack := pack_of_split(trained, split)) is not None:
                return pack
    return None
