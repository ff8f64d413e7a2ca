"""Checkpoints, or folders of images, measured."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from ganlab.configuration.checking import check
from ganlab.errors import UserError
from ganlab.evaluation.bench import Bench, Measured, writing
from ganlab.evaluation.image_folders import Pictures, open_images, require_alike
from ganlab.files import write_text_atomically
from ganlab.runs.build import choose_device, load_system
from ganlab.runs.folder import run_of
from ganlab.runs.leaderboard import evaluate_all
from ganlab.runs.real_images import bench_of
from ganlab.runs.training import silence_lightning


def evaluate(config: DictConfig) -> None:
    """Print a table of metrics and write them, each with its protocol, to ``evaluation.json``.

    Of a folder of checkpoints, the metrics of all of them, see `ganlab.runs.leaderboard`.
    """
    silence_lightning()
    plain = settle(check(config))
    if plain["generated"] is not None:
        evaluate_images(plain)
    elif Path(plain["checkpoint"]).is_dir():
        evaluate_all(plain, Path(plain["checkpoint"]))
    else:
        evaluate_checkpoint(plain, Path(plain["checkpoint"]))


def settle(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with its short keys written where they belong.

    Raises:
        UserError: a short key without what it belongs to; or neither a checkpoint nor images, or both.
    """
    config = deepcopy(config)
    for key in ("checkpoint", "generated", "real", "root", "output"):
        config[key] = None if config[key] is None else str(config[key])
    if config["resize"] is not None:
        if "resize" not in config["features"]:
            raise UserError(f"resize={config['resize']} is a way to bring images to Inception: type features=inception")
        config["features"]["resize"] = config["resize"]
    if (size := config["kid"]["subset_size"]) is not None:
        if "kid" not in config["metrics"]:
            raise UserError(f"kid.subset_size={size} belongs to KID: type metrics=[kid]")
        config["metrics"]["kid"]["subset_size"] = size
    if config["generated"] is None and config["checkpoint"] is None:
        raise UserError("checkpoint is missing: type checkpoint=..., or generated=FOLDER real=FOLDER")
    if config["generated"] is not None and config["checkpoint"] is not None:
        raise UserError("checkpoint= and generated= are two things to measure: type one of them")
    if config["generated"] is not None and config["real"] is None:
        raise UserError("real is missing: type real=FOLDER, the images that the generated ones are to resemble")
    if config["real"] is not None and (config["split"] is not None or config["root"] is not None):
        raise UserError("real= takes the place of the checkpoint's data: leave out split= and root=")
    return config


def evaluate_checkpoint(config: dict[str, Any], checkpoint: Path) -> None:
    """Measure a checkpoint."""
    system, trained = load_system(checkpoint, config["device"])
    output = Path(config["output"]) if config["output"] else run_of(checkpoint) / "evaluation.json"
    bench = bench_of(config, trained, system)
    facts = {"checkpoint": str(checkpoint), "images_seen": system.clock.images_seen}
    tell(facts, bench, bench.measure(system, "measuring"), output)


def evaluate_images(config: dict[str, Any]) -> None:
    """Measure a folder of generated images against one of real ones."""
    packs = Path(config["packs"]).expanduser()
    generated, real = (open_images(key, config[key], packs) for key in ("generated", "real"))
    require_alike(generated, real)
    count = min(config["metrics"]["count"], len(generated))
    if config["repeats"] > 1 and count == len(generated):
        raise UserError(
            f"repeats={config['repeats']} draws as many samples, and generated={config['generated']} holds {count} "
            f"images in all: type count={max(count // config['repeats'], 2)}"
        )
    config["metrics"]["count"] = count
    device = choose_device(config["device"])
    bench = Bench.of(config, real, device, held_out=lambda: None)
    system = Pictures(generated, real.manifest.get("classes"), device)
    facts = {key: config[key] for key in ("generated", "real")}
    tell(facts, bench, bench.measure(system, "measuring"), Path(config["output"] or "evaluation.json"))


def tell(facts: dict[str, Any], bench: Bench, measured: Measured, output: Path) -> None:
    """Print a table, and write all values with their protocols."""
    with writing(output):
        write_text_atomically(output, json.dumps(facts | {"metrics": measured.record()}, indent=2))
        pictures = bench.save_pictures(output)
    table = Table(title=" against ".join(str(value) for value in facts.values() if isinstance(value, str)))
    table.title_justify = "left"
    table.add_column("metric")
    table.add_column("value", justify="right")
    halves = measured.yardstick
    if halves:
        table.add_column("two halves of the real images", justify="right")
    for name, value in measured.values.items():
        beside = f"{halves[name]:.4g} (x {value / halves[name]:.3g})" if name in halves else ""
        table.add_row(name, measured.text(name), *([beside] if halves else []))
    Console().print(table)
    for path in pictures:
        print(f"picture: {path}")
    print(f"protocol of each number: {output}")
