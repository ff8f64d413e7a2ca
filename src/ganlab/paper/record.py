"""Writes and prints a figure or table: pictures, scores as JSON, and a table laid out as in the paper."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.table import Table

from ganlab.evaluation.result import finite, mean_and_spread, text
from ganlab.files import require_writable, write_text_atomically, writing
from ganlab.latent.video import save_gif
from ganlab.paper.figure import Figure, FigureResult
from ganlab.report.grids import save_image
from ganlab.report.tables import print_table

GIF_RATE = 12.5  # images per second
PICTURE_SIDE = 1000  # small pictures are enlarged up to this side, by an integer factor
GIF_SIDE = 128  # small images of an animation are enlarged up to this side


class PaperRecord:
    """The files of one figure or table, rewritten with every partial result, so that hours of work are not lost.

    ``roles`` are the checkpoints by role, one mapping per model. An unwritable folder raises ``UserError``.
    """

    def __init__(
        self, figure: Figure, config: dict[str, Any], kind: str, folder: Path, roles: list[dict[str, Path]]
    ) -> None:
        self.figure, self.config, self.kind, self.folder, self.roles = figure, config, kind, folder, roles
        self.stem = f"{kind}_{config['number']}"
        self.results: list[FigureResult] = []
        self.files: list[Path] = []
        self.data: dict[str, Any] = {}
        require_writable("output", folder)

    def save_partial(self, result: FigureResult) -> None:
        """Write the scores so far of a model in progress."""
        self._write([*self.results, result])

    def add(self, result: FigureResult) -> None:
        """Write the scores of one more model, and the pictures if it is the first."""
        self.results.append(result)
        self._write(self.results)
        if len(self.results) == 1:
            self._save_pictures(result)

    def print_summary(self) -> None:
        """Print scores next to the paper's, claims, deviations from its protocol, and the files."""
        scores = collect_scores(self.results)
        table = Table(title=self.figure.title, title_justify="left")
        for heading in ("score", "ours", "paper"):
            table.add_column(heading)
        for name in dict.fromkeys([*scores, *self.figure.published]):
            table.add_row(name, text(scores.get(name, [])), self.figure.published.get(name, ""))
        print_table(table)
        for claim in self.figure.claims:
            holds = claim.holds(scores)
            print(f"{'not measured' if holds is None else 'holds' if holds else 'DOES NOT HOLD'}: {claim.text}")
        first = self.results[0]
        for line in (*first.remarks, *self.figure.differs, *first.differs):
            print(f"- {line}")
        for file in self.files:
            print(f"{'table' if file.suffix == '.md' else 'picture'}: {file}")
        print(f"numbers: {self.folder / self.stem}.json")

    def _write(self, results: list[FigureResult]) -> None:
        scores, first = collect_scores(results), results[0]
        content = {
            "title": self.figure.title,
            "command": ["python", "src/reproduce.py", *HydraConfig.get().overrides.task],
            "models": [{role: str(path) for role, path in paths.items()} for paths in self.roles[: len(results)]],
            "options": {key: value for key, value in self.config[self.kind].items() if key != "_target_"},
            **{key: self.config[key] for key in ("seed", "label", "classifier", "exemplars", "boxes")},
            "data": {key: self.data[key] for key in ("name", "split", "image_size", "count") if key in self.data},
            "scores": {
                name: dict(zip(("value", "spread"), mean_and_spread(values), strict=True))
                | {"each": [finite(value) for value in values]}
                for name, values in scores.items()
            },
            "published": self.figure.published,
            "claims": {claim.text: claim.holds(scores) for claim in self.figure.claims},
            "remarks": first.remarks,
            "differs": [*self.figure.differs, *first.differs],
        }
        rows = self.figure.layout(lambda name, form=percent: form(scores.get(name, [])))
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_atomically(self.folder / f"{self.stem}.json", json.dumps(content, indent=2))
            if rows:
                write_text_atomically(self._file(".md"), markdown(rows))

    def _save_pictures(self, result: FigureResult) -> None:
        with writing(self.folder):
            for name, picture in result.pictures.items():
                scale = max(1, PICTURE_SIDE // max(picture.shape[1:]))
                larger = picture.repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
                save_image(larger, self._file(".png", name))
            for name, images in result.animations.items():
                save_gif(images, self._file(".gif", name), GIF_RATE, max(1, GIF_SIDE // images.shape[-1]))

    def _file(self, suffix: str, name: str = "") -> Path:
        file = self.folder / f"{self.stem}{'_' if name else ''}{name}{suffix}"
        if file not in self.files:
            self.files.append(file)
        return file


def collect_scores(results: list[FigureResult]) -> dict[str, list[float]]:
    """Return the values over models of each score, in order of first appearance."""
    names = dict.fromkeys(name for result in results for name in result.scores)
    return {name: [result.scores[name] for result in results if name in result.scores] for name in names}


def percent(values: list[float]) -> str:
    """Format shares of several models as the paper does, ``82.80 +- 0.40 %``, integers as counts, none as ``-``."""
    if values and all(isinstance(value, int) for value in values):
        return f"{round(mean(values)):,}"
    value, spread = mean_and_spread(values)
    if value is None:
        return "-"
    return f"{100 * value:.2f}" + ("" if spread is None else f" +- {100 * spread:.2f}") + " %"


def markdown(rows: list[list[str]]) -> str:
    """Return rows, headings first, as a Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"
