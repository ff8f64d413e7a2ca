"""Checks of the configuration in a file such as a checkpoint, which may come from anyone: it is data.

It may name the classes that this checkout's ``conf/`` names, in the same groups, and PyTorch's optimisers; nothing else
is called. What it may hold is plain: mappings, lists, text without interpolations, and numbers within their limits.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from ganlab.arguments import annotations, unmet
from ganlab.configuration.checking import Listed, find, flat, is_listed, listed, mistakes, nodes
from ganlab.errors import UserError

DEEPEST, MOST = 20, 10_000  # levels and values; ours have 5 and some hundreds
SPECIAL = re.compile(r"_\w+_")  # keys that Hydra acts on
PATH = re.compile(r"[/\\~]|\.\.")
HERE = {"outputs": "outputs", "packs": "packs"}  # a file does not decide where something is written
DATASETS = "datasets"  # where `data.download` of a file may write


def take(config: Any, origin: Path | str) -> dict[str, Any]:
    """Return a copy of the configuration in a file, with default folders; ``UserError`` if it is refused."""
    for reason in reasons(config, listed()):
        raise UserError(f"{origin} is refused: in its configuration {reason[:300]}")
    taken = deepcopy(config) | HERE
    for _, node in nodes({"data": taken.get("data", {})}):
        if "download" in node and node.get("root") != DATASETS:
            node["download"] = False  # type: ignore[index]
    return taken


def reasons(config: Any, known: Listed) -> Iterator[str]:
    """Yield why a configuration is refused, the first reason first."""
    if type(config) is not dict:
        yield "there is no mapping"
        return
    yield from oddities(config)
    for key, node in nodes(config):
        if (target := node.get("_target_", node)) is not node:
            group = key.partition(".")[0]
            if not is_listed(key, target, known):
                yield f"{key}._target_={target} is no class that conf/{group} names"
            if key != "trainer":  # it is never made from a file
                yield from misfits(key, node, find(str(target)), known.get((group, str(target)), {"_partial_"}))
    yield from mistakes(config, flat(config))


def oddities(config: dict[Any, Any]) -> Iterator[str]:
    """Yield a line for what is no plain value, or would be acted on: interpolations, and Hydra's other keys."""
    left: list[tuple[str, Any, int, bool]] = [("", config, 0, False)]
    for _ in range(MOST):
        if not left:
            return
        key, value, depth, in_list = left.pop()
        if depth > DEEPEST:
            yield f"{key[:80]} lies too deep"
            return
        if type(value) is dict:
            for name, each in value.items():
                if type(name) not in (str, int):
                    yield f"{key}{name} is no key"
                elif SPECIAL.fullmatch(str(name)) and (in_list or name not in ("_target_", "_partial_")):
                    yield f"{key}{name}={each} is not taken from a file"
                left.append((f"{key}{name}.", each, depth + 1, in_list))
        elif type(value) is list:
            left += [(f"{key}{number}.", each, depth + 1, True) for number, each in enumerate(value)]
        elif type(value) not in (str, int, float, bool, NoneType):
            yield f"{key[:-1]} is a {type(value).__name__}"
        elif type(value) is str and "${" in value:
            yield f"{key[:-1]}={value} is an interpolation"
    yield "there are too many values"


def misfits(key: str, node: Mapping[str, Any], owner: Any, allowed: set[str]) -> Iterator[str]:
    """Yield a line for each argument of a node that its class does not take, or not of this type."""
    if "_partial_" in node and ("_partial_" not in allowed or node["_partial_"] is not True):
        yield f"{key}._partial_={node['_partial_']} is not taken from a file"
    parameters, annotated = inspect.signature(owner).parameters, node["_target_"].startswith(("ganlab.", "torch."))
    kinds = annotations(owner) if annotated else {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        parameters = dict.fromkeys(allowed)  # type: ignore[assignment]
    for name, value in node.items():
        if name in ("_target_", "_partial_"):
            continue
        if name not in parameters:
            yield f"{key}.{name} is unknown to {node['_target_']}"
        kind = kinds.get(name, Any)
        if isinstance(value, Mapping) and "_target_" in value:
            made, members = find(str(value["_target_"])), get_args(kind) or (kind,)
            if not any(inspect.isclass(each) and inspect.isclass(made) and issubclass(made, each) for each in members):
                yield f"{key}.{name}._target_={value['_target_']} is no argument of {node['_target_']}"
        elif requirement := unmet(kind, value):
            yield f"{key}.{name}={value} must be {requirement}"
        elif not key.startswith("data.") and PATH.search(str(value)):
            yield f"{key}.{name}={value} is a path"
