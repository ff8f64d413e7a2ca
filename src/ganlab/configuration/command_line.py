"""Checks the overrides that a user types, and explains Hydra's errors in one line."""

import re
import shlex
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from ganlab.configuration.suggestions import known_keys, option, options, translated, unknown_key
from ganlab.configuration.text import as_choices, as_typed, is_text, quoted, unquoted
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
LISTED = {
    "metrics",
    "penalty",
    "augment",
    "regularizer",
    "logger",
    "trainer.devices",
    "data.classes",
    "optimizer.betas",
}
CHECKPOINTS = (".ckpt", ".npz")
NUMBER = re.compile(r"(\d+(?:\.\d+)?)([kKmM])|\d{1,3}(?:,\d{3})+")
RANGE = re.compile(r"(\d+)(?:\.\.|-)(\d+)")


def check_overrides(arguments: list[str], conf: Path, name: str) -> list[str]:
    """Return the command line of ``conf/<name>.yaml`` for Hydra; ``UserError`` for what is not supported.

    ``+key=value`` and ``++key=value`` become ``key=value``, since every key exists already and Hydra refuses others.
    Names and paths are taken as typed, see `text`. Numbers that choose an option of a group, and other values with an
    equals sign, are quoted. A checkpoint without a key is ``checkpoint=``.
    """
    sweep = bool({"-m", "--multirun"} & set(arguments))
    if sweep and name != "train":
        raise UserError(f"-m is an option of src/train.py alone: start src/{name}.py once for each value")
    checked = []
    for argument in name_values(arguments, conf, name):
        if argument.startswith("~"):
            raise UserError(f"{argument}: keys cannot be deleted; choose an option such as metrics=none instead")
        key, equals, value = argument.lstrip("+").partition("=")
        if not argument.startswith("-") and equals:
            if not re.match(r"\w", key):
                raise UserError(f"{argument} has no key: type key=value")
            group = (conf / key).is_dir()
            if group and (value == "null" or (value == "[]" and "none" not in options(conf / key))):
                raise UserError(f"{key}={value} chooses nothing: type one of {', '.join(options(conf / key))}")
            if key in REFUSED:
                raise UserError(f"{key} is not used here: type {REFUSED[key]} instead")
            for typed in (key, f"{key}={value}"):
                if typed in RENAMED:
                    raise UserError(f"{typed} is now {RENAMED[typed]}")
            if is_text(key):
                value = as_typed(key, value, sweep=sweep)
            elif group and not value.endswith(","):
                value = as_choices(value)
            elif "=" in value and not STRUCTURED.match(value):  # such as a command line
                value = quoted(value)
            elif value.endswith(","):
                raise UserError(f"{argument} ends in a comma: type {argument.rstrip(',')}")
            elif re.fullmatch(r"-?0,\d+", value) and not sweep:
                raise UserError(f"{argument}: type {key}={value.replace(',', '.')}")
            elif (found := NUMBER.fullmatch(value)) and not (sweep and "," in value):
                unit = {"k": 1e3, "m": 1e6}.get((found[2] or "").lower(), 1)
                raise UserError(f"{key}={value}: type {key}={float(found[1] or value.replace(',', '')) * unit:.0f}")
            elif found := RANGE.fullmatch(value):
                raise UserError(
                    f"{key}={value}: for a run of each type -m '{key}=range({found[1]},{int(found[2]) + 1})'"
                )
            argument = f"{key}={value}"
        checked.append(argument)
    return checked


def name_values(arguments: Sequence[str], conf: Path, name: str) -> list[str]:
    """Return the arguments with ``checkpoint=`` before files that have no key; ``UserError`` for others without one."""
    left, flags, named, checkpoints = list(arguments), list[str](), list[str](), list[str]()
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    while left:
        argument = left.pop(0)
        if argument.endswith("\r"):
            raise UserError(f"{argument} ends in a carriage return: save your script with Unix line ends")
        if not argument:
            raise UserError("an argument is empty: leave it out, or set the variable that it came from")
        if (flag := parser._option_string_actions.get(argument.partition("=")[0])) is not None:
            flags.append(argument)
            if left and "=" not in argument and (flag.nargs is None or left[0] in (flag.choices or ())):
                flags.append(left.pop(0))
        elif re.match(r"--?[A-Za-z]", argument):
            raise UserError(f"{argument} is no option here: type {_without_dashes(argument, left, conf, name)}")
        elif (together := _until_closed(argument, left)) != argument:
            raise UserError(f"blanks separate arguments: type {shlex.quote(together)}")
        elif "=" in argument or argument.startswith("~"):
            named.append(argument)
        else:
            folder = name == "evaluate" and Path(argument).expanduser().is_dir()
            if not (folder or argument.endswith(CHECKPOINTS)) or "checkpoint" not in known_keys(conf, name):
                raise UserError(_without_key(argument, named, conf, name))
            checkpoints.append(quoted(argument) if "," in argument else argument)
    if checkpoints and any(argument.startswith("checkpoint=") for argument in named):
        raise UserError(f"checkpoint= is given twice: leave out {checkpoints[0]}")
    named = [*flags, *named]  # argparse takes no second group of overrides, behind an option
    _check_flags(parser.parse_args(named))
    several = f"[{','.join(checkpoints)}]" if len(checkpoints) > 1 else "".join(checkpoints)
    return [*named, *([f"checkpoint={several}"] if several else [])]


def _check_flags(asked: Namespace) -> None:
    """Refuse what Hydra answers with a traceback: options that exclude or need each other, and unpickling a run."""
    modes = [f"--{mode}" for mode in ("run", "multirun", "cfg", "info", "shell_completion") if getattr(asked, mode)]
    if len(modes) > 1:
        _refuse(f"{modes[0]} and {modes[1].replace('_', '-')} exclude each other: leave out one")
    if asked.resolve and not (asked.cfg or asked.help):
        _refuse("--resolve belongs to --cfg job")
    if asked.experimental_rerun:
        raise UserError("--experimental-rerun is not supported: type run=NAME, that of the run to continue")
    shells = ("install=", "uninstall=", "query=")
    if asked.shell_completion and sum(each.startswith(shells) for each in asked.overrides) != 1:
        _refuse("--shell-completion needs one of install=bash, uninstall=bash, query=bash")


def _refuse(message: str) -> NoReturn:
    raise UserError(f"{message}; see --hydra-help")


def _until_closed(argument: str, left: Sequence[str]) -> str:
    """Join an argument with those that blanks around ``=`` and ``,`` separated from it."""
    for following in left:
        key, equals, value = argument.partition("=")
        opened = not is_text(key) and any(value.count(a) > value.count(b) for a, b in ("[]", "{}", "()"))
        more = not following.startswith("-") and not re.match(r"[\w.]+=", following)
        if not (more and (opened or argument.endswith(("=", ",")) or following.startswith(("=", ",")))):
            break
        argument += following
    return argument


def _without_dashes(argument: str, left: Sequence[str], conf: Path, name: str) -> str:
    """Return what to type instead of an option such as ``--epochs 5``."""
    key, equals, value = argument.lstrip("-").partition("=")
    if not equals and left and not left[0].startswith("-") and "=" not in left[0]:
        value = left[0]
    key = key.replace("-", "_")
    if key.startswith("no_"):
        key, value = key[3:], "false"
    if key in known_keys(conf, name):
        return shlex.quote(f"{key}={value or 'VALUE'}")
    words = translated(key, value, conf, name)
    return words or f"key=value without dashes; {unknown_key(key, value, conf, name)}"


def _without_key(argument: str, named: Sequence[str], conf: Path, name: str) -> str:
    """Return what to say of an argument that has no key."""
    before = named[-1] if named else ""
    known = known_keys(conf, name)
    if "=" in before and not before.startswith("-") and is_text(before.partition("=")[0]):
        return f"{argument} has no key; if it belongs to the value before, type {shlex.quote(f'{before} {argument}')}"
    if Path(argument).expanduser().is_dir() and "data" in known and name != "reproduce":
        return f"{argument} has no key: type {shlex.join(['data=folder', f'data.root={argument}'])}"
    for checkpoint in (f"{argument}/checkpoints/best.ckpt", f"{argument}/checkpoints/last.ckpt"):
        if "checkpoint" in known and Path(checkpoint).expanduser().is_file():
            return f"{argument} is a folder: type {shlex.quote(f'checkpoint={checkpoint}')}"
    key, colon, value = argument.partition(":")
    if key in known:
        return f"{argument} has no value: type {shlex.quote('='.join([key, value or 'VALUE']))}"
    groups = [group for group in sorted(known) if (conf / group).is_dir() and argument in options(conf / group)]
    if groups:
        return f"{argument} has no key: type {' or '.join(f'{group}={argument}' for group in groups)}"
    return f"{argument} has no key: type key=value; --help lists the groups, --cfg job prints the keys"


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


def explain(error: BaseException, conf: Path, name: str, typed: Sequence[str]) -> str:
    """Return an error of Hydra's or OmegaConf's as one line with the fix; ``typed`` is the command line."""
    text = str(error)
    values = {key: unquoted(value) for key, _, value in (each.partition("=") for each in typed)}
    if match := re.search(r"Could not override '([^']+)'", text):
        return unknown_key(match[1], values.get(match[1], ""), conf, name)
    if match := re.search(r"Could not (?:find|load) '([^']+)'", text):
        group = next((key for key in values if match[1].startswith(f"{key}/")), match[1].rpartition("/")[0])
        value = match[1].removeprefix(f"{group}/")
        if options(conf / group) and group.partition("/")[0] in known_keys(conf, name):
            return option(group, value, conf)
        return unknown_key(group, value, conf, name)
    if match := re.search(r"Ambiguous value for argument '(.+)'$", text, re.MULTILINE):
        key, _, value = match[1].partition("=")
        each = f"-m {match[1]} for a run of each" if name == "train" else f"one, and start src/{name}.py for each"
        ways = [each, f"{shlex.quote(f'{key}=[{value}]')} for a list"]
        if name != "train" and key not in LISTED:
            ways = ways[:1]
        return f"{key} has several values: type {' or '.join(ways[:: -1 if key in LISTED else 1])}"
    if match := re.search(r"Cannot find primary config '([^']+)'", text):
        return f"there is no conf/{match[1]}.yaml: recipes are chosen by experiment={match[1]}"
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} is missing: type {match[1]}=..."
    if match := re.search(r"Interpolation key 'data\.classes_of\.(.+)' not found", text):
        return _unknown_part(match[1], getattr(error, "parent_node", None))
    if match := re.search(r"Interpolation key 'architecture\.(\w+)' not found", text):
        return f"this architecture= has no {match[1]} for the network chosen: take one that has, such as dcgan"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        if (conf / key).is_dir() and key.partition("/")[0] in known_keys(conf, name):
            return option(key, value, conf)
        if key not in known_keys(conf, name):
            return unknown_key(key, value, conf, name)
        return f"{error.override} cannot be read: look at its commas, brackets, quotes and signs"
    return " ".join(lines[:2]) or type(error).__name__


def _unknown_part(value: str, data: object) -> str:
    """Name the parts that a data set has; ``data`` is its configuration."""
    if not isinstance(data, DictConfig):
        return f"{value} is not in this data set: see its file in conf/data for the choices"
    asked = re.search(r"data\.classes_of\.\$\{([\w.]+)\}", str(OmegaConf.to_container(data)))
    key = f"{asked.group(1)}={value}" if asked else value
    return f"{key} is not in {data.name}: choose one of {', '.join(data.classes_of)}"
