"""A run's logged numbers: ``metrics.jsonl``, appended while it trains, and ``metrics.csv``, written from it.

``python -m ganlab.runs.metrics outputs/RUN`` writes the CSV file of a run that is still training or was killed.
"""

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ganlab.files import set_aside, write_text_atomically

JSONL, CSV, IMAGES_SEEN = "metrics.jsonl", "metrics.csv", "images_seen"


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of ``metrics.jsonl``, each with ``images_seen``; lines that are damaged are left out."""
    return parse(path)[0]


def parse(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the entries of ``metrics.jsonl`` and the number of damaged lines, but for a last one cut off by a kill."""
    if not path.is_file():
        return [], 0
    *lines, _ = path.read_bytes().split(b"\n")
    entries = [entry for line in lines if (entry := parse_line(line))]
    return entries, len(lines) - len(entries)


def parse_line(line: bytes) -> dict[str, Any] | None:
    """Return the entry of one line; None for a damaged one."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(entry, dict) and isinstance(entry.get(IMAGES_SEEN), int)
    return entry if sound and all(isinstance(value, (int, float)) for value in entry.values()) else None


def truncate_after(path: Path, images_seen: int) -> None:
    """Drop entries after ``images_seen`` from ``metrics.jsonl`` and ``metrics.csv``; damaged lines are set aside."""
    if path.is_file():
        entries, damaged = parse(path)
        if damaged:
            place = set_aside(path).name
            print(f"warning: {damaged} damaged lines of {path} are left out; {place} has them", file=sys.stderr)
        kept = [entry for entry in entries if entry[IMAGES_SEEN] <= images_seen]
        write_text_atomically(path, "".join(json.dumps(entry) + "\n" for entry in kept))
        write_csv(path)


def write_csv(path: Path) -> Path:
    """Write ``metrics.csv`` next to ``metrics.jsonl``: a row for each number of images seen, which comes first."""
    rows: dict[int, dict[str, str]] = {}
    columns = {IMAGES_SEEN: None}
    for entry in read_log(path):
        row = rows.setdefault(entry[IMAGES_SEEN], {IMAGES_SEEN: str(entry[IMAGES_SEEN])})
        row |= {name: f"{value:.8g}" for name, value in entry.items() if name != IMAGES_SEEN}
        columns |= dict.fromkeys(entry)
    target = path.with_name(CSV)
    body = ([row.get(name, "") for name in columns] for row in rows.values())
    write_text_atomically(target, table([[*columns], *body]))
    return target


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    for path in (Path(name) / JSONL for name in sys.argv[1:]):
        print(write_csv(path) if path.is_file() else f"error: there is no {path}: give the folder of a run")
