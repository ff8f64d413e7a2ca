"""What a figure or table leaves: pictures, numbers as JSON, a table as the paper lays it out, and what is printed."""

import json
import math
import os
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.console import Console
from rich.table import Table

from ganlab.errors import UserError
from ganlab.evaluation.result import finite
from ganlab.files import write_text_atomically, writing
from ganlab.latent.video import save_gif
from ganlab.paper.figure import Item, Outcome
from ganlab.report.grids import save_image

GIF_RATE = 12.5  # images a second of an animation
PICTURE_SIDE = 1000  # to which small pictures are enlarged, by whole factors
SHOWN_SIDE = 128  # to which small images of an animation are enlarged


class PaperRecord:
    """The files of one figure or table, written anew whenever more is known, so that nothing of hours is lost.

    Args:
        item: what is made.
        config: of the command.
        kind: ``figure`` or ``table``.
        folder: for the files; made with the first of them.
        roles: the checkpoints of each role, one mapping for each of several models.

    Raises:
        UserError: the folder cannot be written to.

    Attributes:
        data: configuration of the real images.
    """

    def __init__(
        self, item: Item, config: dict[str, Any], kind: str, folder: Path, roles: list[dict[str, Path]]
    ) -> None:
        self.item, self.config, self.kind, self.folder, self.roles = item, config, kind, folder, roles
        self.stem = f"{kind}_{config['number']}"
        self.outcomes: list[Outcome] = []
        self.files: list[Path] = []
        self.data: dict[str, Any] = {}
        require_place(folder)

    def interim(self, outcome: Outcome) -> None:
        """Write the numbers that there are while one is being made."""
        self._write([*self.outcomes, outcome])

    def add(self, outcome: Outcome) -> None:
        """Take what was made of one model: pictures of the first, numbers of all."""
        self.outcomes.append(outcome)
        self._write(self.outcomes)
        if len(self.outcomes) == 1:
            self._save_pictures(outcome)

    def tell(self) -> None:
        """Print scores beside the paper's, claims, what differs, and where the files are."""
        scores = collected(self.outcomes)
        table = Table(title=self.item.title, title_justify="left")
        for heading in ("score", "ours", "paper"):
            table.add_column(heading, overflow="fold")
        for name in dict.fromkeys([*scores, *self.item.published]):
            table.add_row(name, text(scores.get(name, [])), self.item.published.get(name, ""))
        Console().print(table)
        for claim in self.item.claims:
            holds = claim.told(scores)
            print(f"{'not measured' if holds is None else 'holds' if holds else 'DOES NOT HOLD'}: {claim.text}")
        first = self.outcomes[0]
        for line in (*first.remarks, *self.item.differs, *first.differs):
            print(f"- {line}")
        for file in self.files:
            print(f"{'table' if file.suffix == '.md' else 'picture'}: {file}")
        print(f"numbers: {self.folder / self.stem}.json")

    def _write(self, outcomes: list[Outcome]) -> None:
        scores, first = collected(outcomes), outcomes[0]
        content = {
            "title": self.item.title,
            "command": ["python", "src/reproduce.py", *HydraConfig.get().overrides.task],
            "models": [{role: str(path) for role, path in paths.items()} for paths in self.roles[: len(outcomes)]],
            "options": {key: value for key, value in self.config[self.kind].items() if key != "_target_"},
            **{key: self.config[key] for key in ("seed", "label", "classifier", "exemplars", "boxes")},
            "data": {key: self.data[key] for key in ("name", "split", "image_size", "count") if key in self.data},
            "scores": {
                name: dict(zip(("value", "spread"), summed_up(values), strict=True))
                | {"each": [finite(value) for value in values]}
                for name, values in scores.items()
            },
            "published": self.item.published,
            "claims": {claim.text: claim.told(scores) for claim in self.item.claims},
            "remarks": first.remarks,
            "differs": [*self.item.differs, *first.differs],
        }
        rows = self.item.layout(lambda name: percent(scores.get(name, [])))
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_atomically(self.folder / f"{self.stem}.json", json.dumps(content, indent=2))
            if rows:
                self._keep(f"{self.stem}.md")
                write_text_atomically(self.folder / f"{self.stem}.md", markdown(rows))

    def _save_pictures(self, outcome: Outcome) -> None:
        with writing(self.folder):
            for name, picture in outcome.pictures.items():
                scale = max(1, PICTURE_SIDE // max(picture.shape[1:]))
                larger = picture.repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
                save_image(larger, self._keep(f"{self.stem}{'_' if name else ''}{name}.png"))
            for name, images in outcome.animations.items():
                file = self._keep(f"{self.stem}{'_' if name else ''}{name}.gif")
                save_gif(images, file, GIF_RATE, max(1, SHOWN_SIDE // images.shape[-1]))

    def _keep(self, name: str) -> Path:
        file = self.folder / name
        if file not in self.files:
            self.files.append(file)
        return file


def require_place(folder: Path) -> None:
    """Raise ``UserError`` where a folder cannot be made or written to; nothing is made."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UserError(f"output={folder} cannot be written: {there} is no folder that you may write to")


def collected(outcomes: list[Outcome]) -> dict[str, list[float]]:
    """Return the values over models of each score, in the order in which scores were named."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.scores)
    return {name: [outcome.scores[name] for outcome in outcomes if name in outcome.scores] for name in names}


def summed_up(values: list[float]) -> tuple[float | None, float | None]:
    """Return mean and standard deviation of the values that could be measured, as far as there are such."""
    known = [value for value in values if math.isfinite(value)]
    return mean(known) if known else None, stdev(known) if len(known) > 1 else None


def text(values: list[float]) -> str:
    """Return values of several models as a person reads them, ``0.123 +- 0.01``."""
    if not values:
        return ""
    value, spread = summed_up(values)
    return ("nan" if value is None else f"{value:.4g}") + ("" if spread is None else f" +- {spread:.2g}")


def percent(values: list[float]) -> str:
    """Return shares of several models as the paper writes them, ``82.80 +- 0.40 %``, or a count; ``-`` without any."""
    if values and all(isinstance(value, int) for value in values):
        return f"{round(mean(values)):,}"
    value, spread = summed_up(values)
    if value is None:
        return "-"
    return f"{100 * value:.2f}" + ("" if spread is None else f" +- {100 * spread:.2f}") + " %"


def markdown(rows: list[list[str]]) -> str:
    """Return rows, headings first, as a table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"
