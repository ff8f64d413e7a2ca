"""Leaderboard: all checkpoints of a run, or of a sweep's runs, measured."""

import json
import sys
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from rich.table import Table

from ganlab.callbacks.tracker import Tracker
from ganlab.callbacks.wandb_page import WandbPage, wandb_mode
from ganlab.errors import UserError
from ganlab.evaluation.result import EvaluationResult
from ganlab.files import require_writable, write_text_atomically, writing
from ganlab.report.curves import Curve, save_curves
from ganlab.report.tables import print_table
from ganlab.runs.build import load_system
from ganlab.runs.environment import new_run_id
from ganlab.runs.folder import RunFolder
from ganlab.runs.metrics import table
from ganlab.runs.real_images import evaluator_of


@dataclass(frozen=True)
class Row:
    """One checkpoint of a run and its values."""

    run: str
    checkpoint: Path
    images_seen: int
    result: EvaluationResult


def evaluate_all(config: dict[str, Any], folder: Path) -> None:
    """Measure every checkpoint in the folder of a run or a sweep, and print them, best first.

    Writes ``evaluation.csv``, ``evaluation.png`` and ``evaluation.json`` into the folder, or next to ``output``, and
    curves to a run's W&B page if it has one. Skips damaged checkpoints and those with equal images seen.
    """
    output = Path(config["output"]) if config["output"] else folder / "evaluation.json"
    require_writable("output", output.parent)
    rows: list[Row] = []
    score, rises = None, False
    for run in runs_in(folder):
        evaluator, trained, measured = None, None, dict[int, Row]()
        for path in sorted((run / "checkpoints").glob("*.ckpt")):
            try:
                system, trained = load_system(path, config["device"])
            except UserError as error:
                print(f"warning: {error}; skipped", file=sys.stderr)
                continue
            seen = system.clock.images_seen
            if seen in measured:
                continue
            evaluator = evaluator or evaluator_of(config, trained, system)
            result = evaluator.evaluate(system, f"{run.name} at {seen:,}", config["repeats"])
            measured[seen] = Row(run.name, path, seen, result)
        if evaluator and trained:
            if score is None:
                score, rises = evaluator.score_name, evaluator.score_rises
            rows += (of_run := [measured[seen] for seen in sorted(measured)])
            log_to_wandb(RunFolder(run), trained, of_run)
    if not rows:
        raise UserError(f"checkpoint={folder}: no checkpoint in it can be read; see the warnings above")
    names = list(dict.fromkeys(name for row in rows for name in row.result.values))
    show(rows, names, score, rises, str(folder))
    with writing(output):
        for path in save(rows, names, folder, output):
            print(path)


def runs_in(folder: Path) -> list[Path]:
    """Return the runs of a sweep's folder, or the run itself; ``UserError`` if it is neither."""
    if folder.name == "checkpoints":
        return [folder.parent]
    if (folder / "checkpoints").is_dir():
        return [folder]
    runs = [each for each in folder.iterdir() if any((each / "checkpoints").glob("*.ckpt"))]
    if not runs:
        raise UserError(f"checkpoint={folder} holds no checkpoints: give a .ckpt file, the folder of a run or a sweep")
    return sorted(runs, key=lambda run: (int(run.name) if run.name.isdigit() else inf, run.name))


def save(rows: list[Row], names: list[str], folder: Path, output: Path) -> list[Path]:
    """Write all values as a table, as curves, and with their protocols; return the files."""
    spreads = any(row.result.spreads for row in rows)
    columns = [column for name in names for column in ([name, f"{name}_spread"] if spreads else [name])]
    lines = [["run", "checkpoint", "images_seen", *columns]]
    for row in rows:
        found = dict(row.result.values) | {f"{name}_spread": s for name, s in row.result.spreads.items()}
        values = [f"{found[column]:.8g}" if column in found else "" for column in columns]
        lines.append([row.run, row.checkpoint.name, str(row.images_seen), *values])
    keys = ("checkpoint", "images_seen", "metrics")
    record = [dict(zip(keys, (str(row.checkpoint), row.images_seen, row.result.record()), strict=True)) for row in rows]
    csv, png = output.with_suffix(".csv"), output.with_suffix(".png")
    write_text_atomically(csv, table(lines))
    save_curves({name: curves_of(rows, name) for name in names}, "images seen", png)
    write_text_atomically(output, json.dumps({"folder": str(folder), "checkpoints": record}, indent=2))
    return [csv, png, output]


def curves_of(rows: list[Row], name: str) -> list[Curve]:
    """Return a metric's curve of each run."""
    curves = []
    for run in dict.fromkeys(row.run for row in rows):
        found = [(row.images_seen, row.result) for row in rows if row.run == run and name in row.result.values]
        points = [(float(seen), one.values[name], one.spreads.get(name, 0.0)) for seen, one in found]
        curves.append(Curve(run, [point for point in points if isfinite(point[1]) and isfinite(point[2])]))
    return curves


def show(rows: list[Row], names: list[str], score: str | None, rises: bool, title: str) -> None:
    """Print the rows, best score first."""
    shown = Table(title=title, title_justify="left")
    several = len({row.run for row in rows}) > 1
    for heading in (*(["run"] if several else []), "checkpoint"):
        shown.add_column(heading)
    for heading in ("images seen", *names):
        shown.add_column(heading, justify="right")
    sign = -1 if rises else 1
    for row in sorted(rows, key=lambda row: sign * row.result.values.get(score, sign * inf) if score else 0):
        values = [row.result.text(name) for name in names]
        name = row.checkpoint.stem
        kept = "kept" if name.startswith("images_") else name  # the next column has its number
        shown.add_row(*([row.run] if several else []), kept, f"{row.images_seen:,}", *values)
    print_table(shown)


def log_to_wandb(run: RunFolder, trained: dict[str, Any], rows: list[Row]) -> None:
    """Add curves ``evaluation/<name>`` over ``evaluation/images_seen`` to the run's W&B page, if it has one."""
    if "wandb" not in trained["logger"] or not run.environment.is_file() or wandb_mode() == "disabled":
        return
    options = {key: trained["logger"]["wandb"].get(key) for key in ("project", "entity")}
    page = WandbPage(
        run.path, new_run_id(run.environment), options, {}, axis="evaluation/images_seen", metrics="evaluation/*"
    )
    tracker = Tracker(page)
    for row in rows:
        values = {f"evaluation/{name}": value for name, value in row.result.values.items()}
        tracker.log_metrics({"evaluation/images_seen": row.images_seen, **values})
    if place := tracker.place():
        print(f"dashboard  {place}")
    tracker.finish()
