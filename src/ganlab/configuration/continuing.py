"""``run=NAME`` alone continues a run with its own configuration."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from ganlab.configuration.checking import flat
from ganlab.configuration.text import quoted, unquoted
from ganlab.errors import UserError

# What may differ when a run continues: length, loggers, intervals, where things lie, and what the machine chooses.
CONTINUED = (
    *("max_images", "max_epochs", "logger", "every", "diagnostics", "outputs", "run", "packs"),
    *("data.workers", "machine", "trainer.precision", "trainer.benchmark"),
)
MOVED = ("data.root", "data_changed")  # may be typed with ``run=NAME`` alone too: the pictures themselves are compared
RELATIVE = ("packs", "data.root", "data.file")  # to the folder where the run was started
ONCE = ("outputs", "data_changed")  # of one start: a run is continued where it lies
VALUE = re.compile(r"(?!hydra\b)\w[\w./@]*=")  # Hydra's own keys and options could call anything


def add_recorded(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Add what the run of ``run=`` was started with if nothing else that defines a run is typed.

    Also return a line that says so, else empty.
    """
    overrides = [each for each in arguments if "=" in each and not each.startswith("-")]
    typed = {key: unquoted(value) for key, _, value in (each.partition("=") for each in overrides)}
    free = tuple(f"{key}." for key in (*CONTINUED, *MOVED))
    alone = "run" in typed and all(f"{key}.".startswith(free) for key in typed)
    if not alone or {"-m", "--multirun"} & set(arguments):
        return list(arguments), ""
    folder = Path(typed.get("outputs", "outputs")) / typed["run"]
    try:
        start = json.loads((folder / "environment.json").read_bytes())[-1]
        recorded, places = [str(each) for each in start["overrides"]], {}
        if (started_in := start.get("folder", os.getcwd())) != os.getcwd():
            config = flat(yaml.safe_load((folder / "config.yaml").read_bytes()))
            places = {key: os.path.join(started_in, config[key]) for key in RELATIVE if config.get(key)}
    except Exception:  # a new run, or one whose records are damaged
        return list(arguments), ""
    if foreign := [each for each in recorded if not VALUE.match(each)]:
        raise UserError(
            f"{folder / 'environment.json'} is refused: {foreign[0][:80]} is no value of a run; set it aside and type "
            f"the whole command of the run"
        )
    values = {key: unquoted(value) for key, _, value in (each.partition("=") for each in recorded)} | places
    # The folder may come from anyone: it does not decide where new folders are made.
    new = [key for key in ("packs",) if key in values and not os.path.isdir(values[key])]
    left_out = tuple(f"{key}." for key in (*typed, *places, *ONCE, *new))  # with the keys of a group that is typed
    added = [each for each in recorded if not f"{each.partition('=')[0]}.".startswith(left_out)]
    added += [f"{key}={quoted(path)}" for key, path in places.items() if key not in (*typed, *new)]
    return [*added, *arguments], f"recipe    that of run {typed['run']}: {' '.join(added)}".rstrip(": ")
