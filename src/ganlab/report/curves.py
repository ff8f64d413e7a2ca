"""Metrics over training as a picture: one panel per metric, one line per run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlab.files import atomic_write

if TYPE_CHECKING:  # imported where a figure is drawn: it takes a while
    from matplotlib.figure import Figure

COLUMNS = 3
PANEL = (4.2, 2.6)  # inches
DPI = 100


@dataclass(frozen=True)
class Curve:
    """A line through points (x, y), with an error bar of +- spread at each where there is one."""

    name: str  # of the run
    points: Sequence[tuple[float, float, float]]  # x, y and spread, 0 for none; y is finite


def save_curves(panels: dict[str, list[Curve]], across: str, path: Path) -> None:
    """Write the curves of each metric, by its full name, as PNG; ``across`` labels the horizontal axis."""
    figure = draw_curves(panels, across)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def draw_curves(panels: dict[str, list[Curve]], across: str) -> "Figure":
    """Return a figure with one panel for each metric, and a legend where there are several runs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    names = list(dict.fromkeys(curve.name for curves in panels.values() for curve in curves))
    columns = max(min(COLUMNS, len(panels)), 1)
    rows = max(math.ceil(len(panels) / columns), 1)
    legend = 0.2 * len(names) + 0.1 if len(names) > 1 else 0  # inches
    figure = Figure((PANEL[0] * columns, PANEL[1] * rows + legend), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    handles: dict[str, Any] = {}
    for place, (metric, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, columns, place)
        axes.set_title(metric, loc="left", fontsize="medium", parse_math=False)
        axes.set_xlabel(across)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 12k, 1.5M
        axes.locator_params(axis="x", nbins=6)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        for curve in curves:
            x, y, spread = zip(*sorted(curve.points), strict=True) if curve.points else ((), (), ())
            bars, colour = spread if any(spread) else None, f"C{names.index(curve.name)}"
            handles[curve.name] = axes.errorbar(x, y, bars, marker="o", markersize=4, color=colour)
    if legend:
        shown = figure.legend([*handles.values()], [*handles], loc="outside lower left", frameon=False)
        for text in shown.get_texts():
            text.set_parse_math(False)  # a run's name may hold a $
    return figure
