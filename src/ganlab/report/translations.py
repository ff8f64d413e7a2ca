"""A self-contained HTML page of translations: input, output and truth of each picture, with its scores."""

import base64
import html
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from ganlab.files import write_text_atomically

LARGEST = 256  # pixels of the longer side of an embedded picture
SMALLEST = 96  # smaller pictures are enlarged
COLUMNS = ("input", "output", "truth")
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff; }
table { border-collapse: collapse; } th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } tr { border-top: 1px solid #ddd; }
td:first-child { max-width: 20rem; overflow-wrap: anywhere; } img { display: block; }
img.small { image-rendering: pixelated; }
"""


@dataclass
class Row:
    """One picture of the page.

    Attributes:
        name: of the picture, which links to ``target``.
        target: path of the output relative to the page.
        pictures: by column, as HTML of `embedded`.
        scores: by name.
    """

    name: str
    target: str
    pictures: dict[str, str]
    scores: dict[str, float] = field(default_factory=dict)


def write_page(
    path: Path, title: str, facts: Mapping[str, str], rows: Sequence[Row], left_out: Sequence[tuple[str, str]]
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        title: heading.
        facts: about how the pictures were made.
        rows: of the pictures.
        left_out: names of other files, and why they were skipped.
    """
    columns = [name for name in COLUMNS if any(name in row.pictures for row in rows)]
    scores = list(dict.fromkeys(name for row in rows for name in row.scores))
    head = "".join(f"<th>{name}" for name in ("name", *columns)) + "".join(f'<th class="n">{name}' for name in scores)
    lines = ["<!doctype html>", '<html lang="en">', '<meta charset="utf-8">', f"<title>{text(title)}</title>"]
    lines += [f"<style>{STYLE}</style>", f"<h1>{text(title)}</h1>"]
    lines += [f"<p>{'<br>'.join(f'{text(name)}: {text(value)}' for name, value in facts.items())}</p>"]
    lines += ["<table>", f"<tr>{head}"]
    if scores:
        means = averages(rows)
        cells = "".join(f'<td class="n"><b>{number(means[name])}</b>' for name in scores)
        lines.append(
            f'<tr><td colspan="{1 + len(columns)}"><b>mean of {sum(bool(row.scores) for row in rows)}</b>{cells}'
        )
    for row in rows:
        cells = "".join(f"<td>{row.pictures.get(name, '')}" for name in columns)
        cells += "".join(f'<td class="n">{number(row.scores[name]) if row.scores else ""}' for name in scores)
        lines.append(f'<tr><td><a href="{html.escape(quote(os.fsencode(row.target)))}">{text(row.name)}</a>{cells}')
    lines.append("</table>")
    if left_out:
        items = "".join(f"<li>{text(name)}: {text(reason)}" for name, reason in left_out)
        lines.append(f"<h2>Skipped</h2><ul>{items}</ul>")
    write_text_atomically(path, "\n".join(lines) + "\n")


def averages(rows: Sequence[Row]) -> dict[str, float]:
    """Return the mean of each score over the pictures that have it."""
    scored = [row.scores for row in rows if row.scores]
    return {name: sum(scores[name] for scores in scored) / len(scored) for name in (scored[0] if scored else ())}


def embedded(image: Image.Image) -> str:
    """Return a thumbnail as an ``img`` element: JPEG, transparency over white, 16 bits as 8."""
    if image.mode not in ("L", "RGB"):
        if image.mode.startswith(("I", "F")):
            scale = 1 if image.mode == "F" else 1 / 257
            image = image.convert("F").point(lambda value: value * scale + 0).convert("L")
        else:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    image = image.copy()
    image.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    enlarged = -(-SMALLEST // max(image.size))
    small = ' class="small"' if enlarged > 1 else ""
    width, height = (side * enlarged for side in image.size)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img{small} width="{width}" height="{height}" alt="" src="data:image/jpeg;base64,{data}">'


def number(value: float) -> str:
    """Return a score with four digits."""
    return f"{value:.4g}"


def text(value: str) -> str:
    """Return text for HTML; bytes of file names that are no UTF-8 are shown as replacement characters."""
    return html.escape(os.fsencode(value).decode(errors="replace"))
