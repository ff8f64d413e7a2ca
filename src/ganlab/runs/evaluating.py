"""The command ``evaluate``: measures checkpoints, or folders of images."""

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Table

from ganlab.configuration.checking import check
from ganlab.data.references import of_images
from ganlab.errors import UserError
from ganlab.evaluation.evaluator import Evaluator, ImageSource
from ganlab.evaluation.image_folders import PackImages, open_images, require_equal_sizes
from ganlab.evaluation.result import EvaluationResult, mean_and_spread, text
from ganlab.files import require_writable, write_text_atomically, writing
from ganlab.report.grids import save_grid
from ganlab.report.tables import print_table
from ganlab.runs.build import choose_device, load_system
from ganlab.runs.folder import run_of
from ganlab.runs.leaderboard import evaluate_all
from ganlab.runs.real_images import evaluator_against, evaluator_of
from ganlab.runs.training import silence_lightning


def evaluate(config: DictConfig) -> None:
    """Print a table of metrics and write them with their protocols to ``evaluation.json``."""
    silence_lightning()
    plain = expand_aliases(check(config))
    if plain["generated"] is not None:
        evaluate_images(plain)
    elif isinstance(plain["checkpoint"], list):
        evaluate_several(plain, [Path(each) for each in plain["checkpoint"]])
    elif (checkpoint := Path(plain["checkpoint"])).is_dir():
        evaluate_all(plain, checkpoint)
    else:
        output = Path(plain["output"] or run_of(checkpoint) / "evaluation.json")
        require_writable("output", output.parent)
        system, trained = load_system(checkpoint, plain["device"])
        facts = {"checkpoint": str(checkpoint), "images_seen": system.clock.images_seen}
        evaluate_one(evaluator_of(plain, trained, system), system, facts, plain["repeats"], output)


def expand_aliases(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with ``resize`` copied to ``features.resize``; ``UserError`` if options conflict."""
    config = deepcopy(config)
    if config["resize"] is not None:
        if "resize" not in config["features"]:
            raise UserError(f"resize={config['resize']} is an option of Inception: type features=inception")
        config["features"]["resize"] = config["resize"]
    if config["generated"] is None and config["checkpoint"] is None:
        raise UserError("checkpoint is missing: type checkpoint=..., or generated=FOLDER real=FOLDER")
    if config["generated"] is not None and config["checkpoint"] is not None:
        raise UserError("checkpoint= and generated= exclude each other: type one of them")
    if config["generated"] is not None and config["real"] is None:
        raise UserError("real is missing: type real=FOLDER, the images to compare the generated ones with")
    if config["real"] is not None and (config["split"] is not None or config["root"] is not None):
        raise UserError("real= replaces the checkpoint's data: leave out split= and root=")
    return config


def evaluate_images(config: dict[str, Any]) -> None:
    """Measure a folder of generated images against one of real ones."""
    place = Path(os.path.abspath(config["generated"]))
    output = Path(config["output"] or place.with_name(f"{place.name}_evaluation.json"))  # in it are pictures alone
    require_writable("output", output.parent)
    packs, device = Path(config["packs"]), choose_device(config["device"])
    generated = open_images("generated", config["generated"], packs)
    real = open_images("real", config["real"], packs, generated.images.shape[1:])
    require_equal_sizes(generated, real)
    count = min(config["metrics"]["count"], len(generated))
    if config["repeats"] > 1 and count == len(generated):
        raise UserError(
            f"repeats={config['repeats']} draws as many samples, and generated={config['generated']} holds {count} "
            f"images in all: type count={max(count // config['repeats'], 2)}"
        )
    if count < 2:
        raise UserError(f"generated={config['generated']} holds {count} image: metrics need two or more")
    config["metrics"]["count"] = count
    evaluator = evaluator_against({"": of_images(real)}, config, device, held_out=lambda: None)
    source = PackImages(generated, real.manifest.get("classes"), device)
    facts = {key: config[key] for key in ("generated", "real")}
    evaluate_one(evaluator, source, facts, config["repeats"], output)


def evaluate_several(config: dict[str, Any], checkpoints: list[Path]) -> None:
    """Measure several checkpoints, such as seeds of one recipe; write and print each, and mean and deviation of all."""
    output = Path(config["output"] or run_of(checkpoints[0]) / "evaluation.json")
    require_writable("output", output.parent)
    results: dict[str, EvaluationResult] = {}
    table = Table("metric", title="mean and standard deviation", title_justify="left")
    for path in checkpoints:
        system, trained = load_system(path, config["device"])
        results[str(path)] = evaluator_of(config, trained, system).evaluate(system, str(path), config["repeats"])
        table.add_column(str(path), justify="right")
    table.add_column("all", justify="right")
    names = dict.fromkeys(name for result in results.values() for name in result.values)
    over_all = {name: [result.values[name] for result in results.values() if name in result.values] for name in names}
    for name, values in over_all.items():
        table.add_row(name, *(result.text(name) for result in results.values()), text(values))
    each = [{"checkpoint": path, "metrics": result.record()} for path, result in results.items()]
    summary = {
        name: dict(zip(("value", "spread"), mean_and_spread(values), strict=True)) for name, values in over_all.items()
    }
    with writing(output):
        write_text_atomically(output, json.dumps({"checkpoints": each, "all": summary}, indent=2))
    print_table(table)
    print(f"protocol of each number: {output}")


def evaluate_one(evaluator: Evaluator, source: ImageSource, facts: dict[str, Any], repeats: int, output: Path) -> None:
    """Measure, print a table, and write all values with their protocols, and the pictures next to them."""
    result, pictures = evaluator.evaluate(source, "measuring", repeats), list[Path]()
    with writing(output):
        write_text_atomically(output, json.dumps(facts | {"metrics": result.record()}, indent=2))
        for name, picture in evaluator.pictures.items():
            pictures.append(output.with_name(f"{output.stem}_{name.replace('/', '_')}.png"))
            save_grid(picture if picture.dim() == 4 else picture[None], pictures[-1])
    title = " against ".join(value for value in facts.values() if isinstance(value, str))
    print_table(table_of(result, title))
    for path in pictures:
        print(f"picture: {path}")
    print(f"protocol of each number: {output}")


def table_of(result: EvaluationResult, title: str) -> Table:
    """Return a table of all values, next to those of two halves of the real images."""
    table, halves = Table("metric", title=title, title_justify="left"), result.real_halves
    for heading in ("value", *(["two halves of the real images"] if halves else [])):
        table.add_column(heading, justify="right")
    for name, value in result.values.items():
        reference = f"{halves[name]:.4g}" if name in halves else ""
        if halves.get(name):  # 0 if all real images are alike
            reference += f" (x {value / halves[name]:.3g})"
        table.add_row(name, result.text(name), *([reference] if halves else []))
    return table
