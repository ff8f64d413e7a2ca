"""Curves of numbers over training as a picture: one panel a metric, one line a run."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 420, 260  # of a panel, pixels
LEFT, RIGHT, TOP, BOTTOM = 74, 22, 34, 34  # margins of the axes
COLUMNS = 3
TICKS = 4
COLOURS = ("#1f6fb4", "#d9541e", "#2a9134", "#8e44ad", "#b8860b", "#c2185b", "#00838f", "#5d4037")
GREY, LIGHT = "#555555", "#dddddd"


@dataclass(frozen=True)
class Curve:
    """A line through points (x, y), with a bar of +- spread at each where there is one.

    Attributes:
        name: of the run.
        points: x, y and spread, 0 for none; y is finite.
    """

    name: str
    points: Sequence[tuple[float, float, float]]


def save_curves(panels: dict[str, list[Curve]], across: str, path: Path) -> None:
    """Write a PNG, whole or not at all.

    Args:
        panels: curves of each metric, by its full name.
        across: what the horizontal axis counts.
        path: the file.
    """
    names = list(dict.fromkeys(curve.name for curves in panels.values() for curve in curves))
    font = ImageFont.load_default(13)
    columns = max(min(COLUMNS, len(panels)), 1)
    below = 20 * len(names) + 10 if len(names) > 1 else 0
    picture = Image.new("RGB", (WIDTH * columns, HEIGHT * math.ceil(len(panels) / columns) + below), "white")
    pen = ImageDraw.Draw(picture)
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    for index, (metric, curves) in enumerate(panels.items()):
        draw_panel(pen, font, (index % columns * WIDTH, index // columns * HEIGHT), metric, across, curves, colours)
    for index, name in enumerate(names if below else []):
        y = picture.height - below + 20 * index + 8
        pen.line([(LEFT, y), (LEFT + 24, y)], colours[name], 3)
        pen.text((LEFT + 32, y), name, "black", font, anchor="lm")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    picture.save(unfinished, format="PNG")
    os.replace(unfinished, path)


def draw_panel(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    corner: tuple[int, int],
    title: str,
    across: str,
    curves: Sequence[Curve],
    colours: dict[str, str],
) -> None:
    """Draw axes, and a line through the points of each curve, into the panel with this upper left corner."""
    points = [point for curve in curves for point in curve.points]
    low_x, high_x = span([x for x, _, _ in points])
    low_y, high_y = span([y + side * spread for _, y, spread in points for side in (-1, 1)])
    left, top = corner[0] + LEFT, corner[1] + TOP
    right, bottom = corner[0] + WIDTH - RIGHT, corner[1] + HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - low_x) / (high_x - low_x) * (right - left),
            bottom - (y - low_y) / (high_y - low_y) * (bottom - top),
        )

    pen.text((left, corner[1] + 10), title, "black", font)
    levels = ticks(low_y, high_y)
    for level, label in zip(levels, labels(levels), strict=True):
        _, y = place(low_x, level)
        pen.line([(left, y), (right, y)], LIGHT)
        pen.text((left - 6, y), label, GREY, font, anchor="rm")
    for tick in ticks(low_x, high_x):
        x, _ = place(tick, low_y)
        pen.line([(x, bottom), (x, bottom + 4)], GREY)
        pen.text((x, bottom + 6), thousands(tick), GREY, font, anchor="mt")
    pen.text((right, corner[1] + 10), across, GREY, font, anchor="ra")
    pen.line([(left, top), (left, bottom), (right, bottom)], GREY)
    for curve in curves:
        colour = colours[curve.name]
        ordered = sorted(curve.points)
        if len(ordered) > 1:
            pen.line([place(x, y) for x, y, _ in ordered], colour, 2, joint="curve")
        for x, y, spread in ordered:
            at_x, at_y = place(x, y)
            pen.ellipse((at_x - 3, at_y - 3, at_x + 3, at_y + 3), colour)
            if spread:
                pen.line([place(x, y - spread), place(x, y + spread)], colour)


def span(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of an axis: that of the values, and of a single one some room around it; (0, 1) for none."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = abs(low) * 0.1 or 1.0
    return (low, high) if high > low else (low - room, high + room)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers within a range, about four of them."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def labels(values: Sequence[float]) -> list[str]:
    """Return numbers in as few digits as tell them apart, four at least."""
    for digits in range(4, 17):
        found = [f"{value:.{digits}g}" for value in values]
        steps = {f"{float(b) - float(a):.3g}" for a, b in pairwise(found)}
        if len(set(found)) == len(values) and len(steps) <= 1:
            break
    return found


def thousands(value: float) -> str:
    """Return a count in short: 250, 12k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"
