"""Whether a run continues on the pictures that it was trained on, and how they changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganlab.data.packs.pack import Pack, open_complete
from ganlab.data.packs.remarks import NAMED

COMPARED = 256  # pictures compared at a time


def changes(before: Mapping[str, Any], now: Pack) -> list[str]:
    """Return what differs from the `Pack.content` of an earlier start; empty if pictures, labels and names are equal.

    Files are named if the earlier pack still lies in the folder of this one.
    """
    content = now.content
    renamed = None not in (before["names"], content["names"]) and before["names"] != content["names"]
    different = [name for name, facts in content["arrays"].items() if facts != before["arrays"].get(name)]
    if not renamed and not different and before["arrays"].keys() == content["arrays"].keys():
        return []
    counts = [next(iter(arrays.values()))["shape"][0] for arrays in (before["arrays"], content["arrays"])]
    found = [f"{counts[0]:,} pictures then, {counts[1]:,} now"]
    old = open_complete(now.folder.with_name(Path(before["pack"]).name))
    if old is not None and old.content == before and (files := old.names()) and (now_files := now.names()):
        found += listed("gone", sorted(set(files) - set(now_files)))
        found += listed("new", sorted(set(now_files) - set(files)))
        if len(files) == len(old) and len(now_files) == len(now):
            found += listed("different", sorted(differing(old, files, now, now_files)))
    return found if len(found) > 1 else [*found, f"other {' and '.join(different or ['names'])}"]


def differing(old: Pack, files: Sequence[str], now: Pack, now_files: Sequence[str]) -> list[str]:
    """Return the files in both packs whose rows differ; ``files`` name the rows of ``old``."""
    places = {name: row for row, name in enumerate(files)}
    shared = [(places[name], row, name) for row, name in enumerate(now_files) if name in places]
    found = []
    for start in range(0, len(shared), COMPARED):
        then, here, names = zip(*shared[start : start + COMPARED], strict=True)
        unequal = np.zeros(len(names), bool)
        for name, array in now.arrays.items():
            rows = array[list(here)], old.arrays[name][list(then)]
            unequal |= (rows[0] != rows[1]).reshape(len(names), -1).any(axis=1)
        found += [name for name, other in zip(names, unequal, strict=True) if other]
    return found


def listed(what: str, names: Sequence[str]) -> list[str]:
    """Return ``what`` with the number of names and the first of them; nothing without names."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return [f"{what}: {', '.join(names[:NAMED])}{more}"] if names else []
