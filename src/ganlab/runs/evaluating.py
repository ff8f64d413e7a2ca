"""A checkpoint, measured."""

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from ganlab.errors import UserError
from ganlab.files import write_whole
from ganlab.runs.assembly import build_data, build_metrics, load_system
from ganlab.runs.checking import check
from ganlab.runs.folder import run_of
from ganlab.runs.training import quieten


def evaluate(config: DictConfig) -> None:
    """Print a table of metrics and write them, each with its protocol, to ``evaluation.json``.

    The real images are those that the checkpoint was trained on.
    """
    quieten()
    plain = check(config)
    checkpoint = Path(plain["checkpoint"])
    system, trained = load_system(checkpoint, plain["device"])
    if plain["root"]:
        nodes = trained["data"]["source"]
        for node in [nodes] if "_target_" in nodes else nodes.values():
            node["root"] = plain["root"]
    data = build_data(trained | {"packs": plain["packs"]})
    evaluation = build_metrics(plain, data.pack)
    if evaluation is None:
        raise UserError("metrics=none leaves nothing to evaluate: type metrics=[fid,swd]")
    device = system.device
    evaluation.prepare_reals(data.pack, device)
    with tqdm(total=evaluation.count, desc="measuring", unit=" samples", disable=None) as bar:
        values = evaluation.measure(system, progress=lambda done, _: tick(bar, done))
    protocols, yardstick = evaluation.protocol(system), evaluation.halves(data.pack, device)
    results: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        protocol = protocols[name]
        short = name.removesuffix(f"_{protocol['features']}") if "features" in protocol else name
        results[short] = {"value": value, "protocol": protocol}
        if name in yardstick:
            results[short]["real_halves"] = yardstick[name]
    output = Path(plain["output"]) if plain["output"] else run_of(checkpoint) / "evaluation.json"
    report = {"checkpoint": str(checkpoint), "images_seen": system.clock.images_seen, "metrics": results}
    try:
        write_whole(output, json.dumps(report, indent=2))
    except OSError as error:
        raise UserError(f"output={output} cannot be written: {error.strerror}") from error
    _show(checkpoint, values, yardstick)
    print(f"protocol of each number: {output}")


def tick(bar: tqdm, done: int) -> None:
    """Move a bar to ``done``."""
    bar.update(done - bar.n)


def _show(checkpoint: Path, values: dict[str, float], yardstick: dict[str, float]) -> None:
    table = Table(title=str(checkpoint), title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("two halves of the real images", justify="right")
    for name, value in values.items():
        halves = f"{yardstick[name]:.4g} (x {value / yardstick[name]:.3g})" if name in yardstick else ""
        table.add_row(name, f"{value:.4g}", halves)
    Console().print(table)
