"""Checks the overrides that a user types, and explains Hydra's errors in one line."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from ganlab.errors import UserError

# What to type instead of Lightning's arguments that would break or do nothing under manual optimisation.
INSTEAD = {
    "max_images=": "max_steps min_steps max_time limit_train_batches",
    "max_epochs=": "max_epochs min_epochs",
    "accumulate=": "accumulate_grad_batches",
    "optimizer.clip_norm=": "gradient_clip_val gradient_clip_algorithm",
    "logger=wandb, tensorboard or none": "logger",
    "every.samples=, every.metrics= and every.checkpoint=": "callbacks",
    "every.checkpoint=": "enable_checkpointing",
    "every.log=": "log_every_n_steps",
    "every.metrics=": "val_check_interval check_val_every_n_epoch",
    "outputs= and run=": "default_root_dir",
    "debug=smoke": "fast_dev_run",
}
REFUSED = {f"trainer.{name}": instead for instead, names in INSTEAD.items() for name in names.split()}
# Keys and options that were renamed.
RENAMED = {"kid.subset_size": "metrics.kid.subset_size", "experiment=none": "experiment=paper"}


STRUCTURED = re.compile(r"""[\[{'"(]|\w+\(""")  # lists, mappings, quoted text, and functions such as range(...)


def check_overrides(arguments: list[str], conf: Path) -> list[str]:
    """Return the command line for Hydra; ``UserError`` for overrides that are not supported.

    ``+key=value`` and ``++key=value`` become ``key=value``, since every key exists already and Hydra refuses others.
    Numbers that choose an option of a group, and values with an equals sign, are quoted.
    """
    checked = []
    for argument in arguments:
        if argument.startswith("~"):
            raise UserError(f"{argument}: keys cannot be deleted; choose an option such as metrics=none instead")
        if not argument.startswith("-"):
            argument = argument.lstrip("+")
            key, _, value = argument.partition("=")
            if value == "null" and (conf / key).is_dir():
                raise UserError(f"{argument} chooses nothing: type one of {', '.join(_options(conf / key))}")
            if value.isdecimal() and (conf / key).is_dir():  # Hydra takes words alone for a group's choice
                argument = f"{key}='{value}'"
            elif "=" in value and not STRUCTURED.match(value):  # as in a path, or a command line as a value
                argument = key + "='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
            if key in REFUSED:
                raise UserError(f"{key} is not used here: type {REFUSED[key]} instead")
            for typed in (key, argument):
                if typed in RENAMED:
                    raise UserError(f"{typed} is now {RENAMED[typed]}")
        checked.append(argument)
    return checked


def check_reached(config: DictConfig, typed: Iterable[str]) -> None:
    """Raise ``UserError`` for a typed ``architecture.KEY`` that neither network reads, since one was replaced."""
    nodes: Any = OmegaConf.to_container(config.get("architecture") or OmegaConf.create(), resolve=False)
    networks = str([node for node in nodes.values() if isinstance(node, dict)])
    for argument in typed:
        group, _, key = argument.partition("=")[0].partition(".")
        shared = group == "architecture" and key in nodes and not isinstance(nodes[key], dict)
        if shared and not re.search(rf"\barchitecture\.{key}\b", networks):
            raise UserError(
                f"architecture.{key} changes nothing: neither the generator nor the discriminator chosen reads it; "
                f"type a key of one of them, such as architecture.discriminator.normalization"
            )


def explain(error: Exception, conf: Path, name: str) -> str:
    """Return an error of Hydra's or OmegaConf's as one line with the fix."""
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(match[1], conf, name)
    if match := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text):
        if options := _options(conf / match[1]):
            return f"{match[1]}={match[2]} does not exist: choose one of {', '.join(options)}"
        return _unknown_key(match[1], conf, name)
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} is missing: type {match[1]}=..."
    if match := re.search(r"Interpolation key 'data\.classes_of\.(.+)' not found", text):
        return _unknown_part(match[1], getattr(error, "parent_node", None))
    if match := re.search(r"Interpolation key 'architecture\.(\w+)' not found", text):
        return f"this architecture= has no {match[1]} for the network chosen: take one that has, such as dcgan"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read: {lines[0]}"
    return " ".join(lines[:2]) or type(error).__name__


def _options(group: Path) -> list[str]:
    return sorted(path.stem for path in group.glob("*.yaml"))


def _unknown_part(value: str, data: object) -> str:
    """Name the parts that a data set has; ``data`` is its configuration."""
    if not isinstance(data, DictConfig):
        return f"{value} is not in this data set: see its file in conf/data for the choices"
    asked = re.search(r"data\.classes_of\.\$\{([\w.]+)\}", str(OmegaConf.to_container(data)))
    key = f"{asked.group(1)}={value}" if asked else value
    return f"{key} is not in {data.name}: choose one of {', '.join(data.classes_of)}"


def _unknown_key(key: str, conf: Path, name: str) -> str:
    """Suggest the keys most like one that does not exist."""
    known = {path.name: "" for path in conf.iterdir() if path.is_dir() and path.name != "hydra"}
    options = [file for file in sorted(conf.glob("*/**/*.yaml")) if file.parent.name != "base"]
    presets = [file for file in options if "@package _global_" in file.read_text()]
    for file in [conf / f"{name}.yaml", *(file for file in options if file not in presets), *presets]:
        group = file.parent.relative_to(conf).as_posix()
        prefix = "" if file.parent == conf or file in presets else group.replace("/", ".")
        for found in _keys(OmegaConf.to_container(OmegaConf.load(file)), prefix):
            known.setdefault(found, f"{group}={file.stem}")
    if key in known and not known[key]:
        return f"src/{name}.py has no {key}=: its --help lists the groups that it has"
    if key in known:
        return f"there is no key {key} with the options chosen: it belongs to {known[key]}"
    names = [found for found in known if not found.startswith(("hydra", "defaults"))]
    matches = get_close_matches(key, names, n=3, cutoff=0.6)
    matches = matches or [other for other in sorted(names) if other.rpartition(".")[2] == key.rpartition(".")[2]][:3]
    hint = f"did you mean {' or '.join(matches)}?" if matches else "see --help for the groups, --cfg job for the keys"
    return f"there is no key {key}: {hint}"


def _keys(node: object, prefix: str) -> list[str]:
    """Return the dotted names of a node and of all values below it."""
    items = node.items() if isinstance(node, dict) else ()
    below = (_keys(value, f"{prefix}.{name}" if prefix else str(name)) for name, value in items)
    return [*([prefix] if prefix else []), *chain.from_iterable(below)]
