"""Which real images a checkpoint is measured against."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from ganlab.data.packs.pack import Pack
from ganlab.data.packs.source import HELD_OUT, NoSuchSplitError
from ganlab.data.sources.folder import SPLITS
from ganlab.errors import UserError
from ganlab.evaluation.bench import Bench
from ganlab.evaluation.evaluator import Generating
from ganlab.evaluation.image_folders import open_images
from ganlab.runs.build import build_data


def bench_of(config: dict[str, Any], trained: dict[str, Any], system: Any) -> Bench:
    """Return the metrics with the real images of a checkpoint's data, or those that were given instead.

    Args:
        config: of the evaluation.
        trained: of the checkpoint's run.
        system: the checkpoint's, to see what it generates.
    """
    device = system.device
    if config["real"] is not None:
        pack = open_images("real", config["real"], Path(config["packs"]).expanduser())
        require_size(system, pack)
        return Bench.of(config, pack, device)
    trained = deepcopy(trained) | {"packs": config["packs"]}
    if config["root"]:
        for node in sources(trained["data"]):
            node["root"] = config["root"]
    if config["split"] is None:
        split = trained["data"].get("split")
        return Bench.of(config, build_data(trained).pack, device, lambda: held_out_of(trained), split)
    return Bench.of(config, build_data(with_split(trained, config["split"])).pack, device, split=config["split"])


def require_size(system: Generating, pack: Pack) -> None:
    """Raise ``UserError`` where a system's images are of another size than the real ones."""
    channels, height, width = system.generation_batch(0, 2, 0).shape[1:]
    if (height, width, channels) != pack.images.shape[1:]:
        found = "x".join(map(str, (pack.images.shape[2], pack.images.shape[1], pack.images.shape[3])))
        raise UserError(
            f"the checkpoint's images are {width}x{height}x{channels} and the real ones {found}: type python "
            f"src/prepare.py data=folder data.root=FOLDER data.image_size={width} data.channels={channels}, and give "
            "that pack as real="
        )


def with_split(trained: dict[str, Any], split: str) -> dict[str, Any]:
    """Return a run's configuration with another split of its data: of a folder ``train``, the one beside it.

    Raises:
        NoSuchSplitError: its data are in one piece.
    """
    trained = deepcopy(trained)
    data = trained["data"]
    for node in sources(data):
        if "split" in node:
            data["split"] = node["split"] = split
        elif beside := folder_beside(Path(str(node.get("root", ""))).expanduser(), split):
            node["root"] = str(beside)
        else:
            raise NoSuchSplitError(f"split={split}: data={data['name']} is all in one piece; leave it out")
    return trained


def folder_beside(root: Path, split: str) -> Path | None:
    """Return the folder of another split beside one that is named after its own, as ``test`` beside ``train``."""
    beside = root.parent / split
    return beside if root.name.lower() in SPLITS and beside.is_dir() and beside != root else None


def sources(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of all sources of pictures of a data configuration: one, or one a domain."""
    return [data["source"]] if "_target_" in data["source"] else list(data["source"].values())


def pack_of_split(trained: dict[str, Any], split: str) -> Pack | None:
    """Return the pack of a split that a run was not trained on; None where its data have none of that name.

    Raises:
        UserError: it is not here, or damaged.
    """
    if trained["data"].get("split") in (split, "all"):
        return None
    try:
        return build_data(with_split(trained, split)).pack
    except NoSuchSplitError:
        return None


def held_out_of(trained: dict[str, Any]) -> Pack | None:
    """Return the pack of a split that the run was not trained on, where the data have one and it is here."""
    trained = deepcopy(trained)
    for node in sources(trained["data"]):
        if "download" in node:
            node["download"] = False  # nobody has asked for it
    for split in HELD_OUT:
        try:
            if (pack := pack_of_split(trained, split)) is not None:
                return pack
        except UserError:  # not here
            continue
    return None
