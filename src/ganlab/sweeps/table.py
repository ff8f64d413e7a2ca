"""Results of a sweep, averaged over seeds, as tables and a figure."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml
from PIL import Image, ImageDraw, ImageFont

from ganlab.files import atomic_write, read_json, write_text_atomically
from ganlab.runs.metrics import JSONL, read_log, table
from ganlab.sweeps.job import is_whole

PADDING = 2  # between the images of a grid, see `ganlab.report.grids`
SHOWN = 16  # images per setting in the figure
SEED = "seed"


@dataclass(frozen=True)
class Setting:
    """Runs of a sweep that differ only in their seed."""

    values: dict[str, str]  # swept values, by key
    jobs: list[dict[str, str]]  # rows of sweep.csv
    summaries: list[dict[str, Any]]  # contents of summary.json of the finished runs, in the same order

    @property
    def name(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.values.items()) or "(all alike)"

    def metrics(self) -> dict[str, list[float]]:
        """Return the last value of each metric, run by run, and under ``lowest <score>`` the scores."""
        found: dict[str, list[float]] = {}
        for summary in self.summaries:
            best = {f"lowest {score['name']}": score["value"]} if (score := summary["score"]) else {}
            for name, value in (best | summary["metrics"]).items():
                found.setdefault(name, []).append(float(value))
        return found

    def alarms(self) -> str:
        """Return in how many runs, finished or not, each alarm tripped, which logs its values."""
        logged = (dict.fromkeys(chain(*read_log(Path(job["folder"]) / JSONL))) for job in self.jobs)
        names = Counter(name.removeprefix("alarm/") for name in chain(*logged) if name.startswith("alarm/"))
        return ", ".join(f"{name} {count}" for name, count in names.items())

    def failures(self) -> str:
        """Return how many runs did not finish, and how many of these diverged."""
        failed = [job for job in self.jobs if job["status"] != "finished"]
        diverged = sum("diverged" in job["reason"] or "not finite" in job["reason"] for job in failed)
        return f"{len(failed)} ({diverged} diverged)" if failed else ""


def write_report(folder: Path) -> list[Path]:
    """Write ``table.md``, ``table.csv`` and ``grids.png`` into a sweep's folder, and return the files written.

    Means and standard deviations are over finished runs. With two swept keys, ``table.md`` also has two-way tables.
    """
    settings = list(read_settings(folder))
    names = list(dict.fromkeys(name for setting in settings for name in setting.metrics()))
    rows = [["setting", "runs", *names, "failed", "alarms"]]
    for setting in settings:
        found = setting.metrics()
        cells = [spread(found.get(name, [])) for name in names]
        rows.append([setting.name, str(len(setting.summaries)), *cells, setting.failures(), setting.alarms()])
    write_text_atomically(folder / "table.csv", table(rows))
    swept = [set(column) for column in zip(*(setting.values.values() for setting in settings), strict=True)]
    crossed = names if len(swept) == 2 and min(map(len, swept)) > 1 else []  # two keys, each with several values
    parts = [markdown(rows), *(f"\n{name}\n\n{markdown(cross(settings, name))}" for name in crossed)]
    write_text_atomically(folder / "table.md", "".join(parts))
    written = [folder / "table.md", folder / "table.csv"]
    if figure := draw_figure(settings):
        with atomic_write(folder / "grids.png") as file:
            figure.save(file, format="PNG")
        written.append(folder / "grids.png")
    return written


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is its head."""
    head, *body = ("| " + " | ".join(row) + " |\n" for row in rows)
    return "".join([head, "|---" * len(rows[0]) + "|\n", *body])


def cross(settings: Sequence[Setting], metric: str) -> list[list[str]]:
    """Return the two-way table of a metric; the key with more values is in the rows."""
    keys = list(settings[0].values)
    across, down = sorted(({s.values[key]: key for s in settings} for key in keys), key=len)
    cells = {frozenset(setting.values.items()): spread(setting.metrics().get(metric, [])) for setting in settings}
    rows = [[f"{next(iter(down.values()))} \\ {next(iter(across.values()))}", *across]]
    for row, key in down.items():
        rows.append([row, *(cells.get(frozenset({(key, row), (other, name)}), "") for name, other in across.items())])
    return rows


def read_settings(folder: Path) -> Iterator[Setting]:
    """Group the jobs of ``sweep.csv`` by the swept keys other than the seed."""
    with (folder / "sweep.csv").open(newline="", errors="surrogateescape") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["job"]))
    keys = list(rows[0]) if rows else []
    swept = [key for key in keys[1 : keys.index("status")] if key != SEED] if rows else []
    for values in dict.fromkeys(tuple(row[key] for key in swept) for row in rows):
        jobs = [row for row in rows if tuple(row[key] for key in swept) == values]
        finished = [Path(job["folder"]) / "summary.json" for job in jobs if job["status"] == "finished"]
        summaries = [summary for path in finished if is_whole(summary := read_json(path, dict) or {})]
        yield Setting(dict(zip(swept, values, strict=True)), jobs, summaries)


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation, ``12.3 +- 0.4``; the value alone where there is one."""
    deviation = f" +- {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{mean(values):.4g}{deviation}" if values else ""


def draw_figure(settings: Sequence[Setting]) -> Image.Image | None:
    """Draw a row per setting: its name, and the first images of the last grid of its first run with a grid."""
    strips = [(setting.name, strip) for setting in settings if (strip := last_images(setting))]
    if not strips:
        return None
    font = ImageFont.load_default(14)
    left = int(max(font.getlength(name) for name, _ in strips)) + 12
    figure = Image.new("RGB", (left + max(s.width for _, s in strips), sum(s.height + 4 for _, s in strips)), "white")
    pen, top = ImageDraw.Draw(figure), 0
    for name, strip in strips:
        pen.text((6, top + strip.height // 2), name, "black", font, anchor="lm")
        figure.paste(strip, (left, top))
        top += strip.height + 4
    return figure


def last_images(setting: Setting) -> Image.Image | None:
    """Return the first images of a grid as one row."""
    for job in setting.jobs:
        run = Path(job["folder"])
        grids = sorted((run / "samples").glob("images_*.png"))
        if not grids or not (run / "config.yaml").is_file():
            continue
        try:
            step = yaml.safe_load((run / "config.yaml").read_bytes())["data"]["image_size"] + PADDING
            grid = Image.open(grids[-1]).convert("RGB")
        except (OSError, yaml.YAMLError, KeyError, TypeError):  # damaged
            continue
        columns = max(1, grid.width // step)
        rows, width = ceil(min(SHOWN, columns**2) / columns), columns * step
        strip = Image.new("RGB", (rows * width + PADDING, step + PADDING), "white")
        for row in range(rows):
            strip.paste(grid.crop((0, row * step, width, (row + 1) * step + PADDING)), (row * width, 0))
        return strip
    return None
