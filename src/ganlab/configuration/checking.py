"""Checks of a composed configuration before anything is built or written.

Types and limits stand in constructors, see `ganlab.arguments`. `KEYS` has those of keys that none of them takes.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from omegaconf import DictConfig, OmegaConf

from ganlab.arguments import Count, Natural, NonNegative, Several, Share, Within, annotations, refused, shown, unmet
from ganlab.configuration import CONF
from ganlab.errors import UserError

TRAINED = ("metrics.cas", "features.classifier", "classifier", "figure.reader")  # classifiers
# Constructors that take the values of nodes without ``_target_``.
OWNERS = (
    ("data", "ganlab.data.packs.pictures.PictureProtocol"),
    ("data", "ganlab.data.packs.pack.build"),
    ("data", "ganlab.data.deduplication.deduplicate.deduplicate"),
    ("data", "ganlab.data.module.ImageDataModule"),
    ("data.deduplication", "ganlab.data.deduplication.hashing.Hashing"),
    ("system", "ganlab.systems.adversary.Adversary"),
    ("system", "ganlab.systems.translation.Translation"),
    ("metrics", "ganlab.evaluation.evaluator.Evaluator"),
    ("features", "ganlab.metrics.extractors.choosing.choose_features"),
    ("features.classifier", "ganlab.metrics.extractors.choosing.classifier_features"),
    ("diagnostics", "ganlab.callbacks.diagnostics.Diagnostics"),
    ("diagnostics", "ganlab.callbacks.alarms.Thresholds"),
    *((key, "ganlab.classifiers.training.Training") for key in TRAINED),
)
# Keys that no constructor of this package limits: a command's own, and those that PyTorch's and Lightning's take.
MODES = Literal["auto", "none", "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]
KEYS: tuple[tuple[Any, str], ...] = (
    (Natural, "seed"),
    (Natural | None, "label"),
    (Count, "accumulate trainer.num_nodes count repeats seeds"),
    (Count | None, "max_images every.* data.pack_size data.num_classes tile load_size"),
    (Several, "batch_size"),
    (Annotated[int, Within(4)] | None, "data.count"),  # metrics compare halves
    (Annotated[float, Within(0.001)] | None, "max_epochs"),
    (NonNegative, "ema.half_life optimizer.*lr optimizer.*eps optimizer.*alpha optimizer.*momentum"),
    (NonNegative, "optimizer.*weight_decay system.weights.*"),
    (list[Share], "optimizer.*betas"),
    (NonNegative | None, "optimizer.*clip_norm"),
    (bool, "data.deduplicate grid from_scratch grey verify"),
    (bool | None, "trainer.detect_anomaly trainer.deterministic dropout"),
    (Literal["auto"] | bool | None, "trainer.benchmark trainer.sync_batchnorm"),
    (Literal["auto"] | bool, "machine.channels_last machine.fused machine.tf32 machine.data_on_device"),
    (MODES, "machine.compile"),
    (Literal["refuse", "accept"], "data_changed"),
)
# As a precision may be typed: as Lightning names it.
PRECISIONS = {"auto": "auto", "32": "32-true", "32-true": "32-true", "bf16": "bf16-mixed", "bf16-mixed": "bf16-mixed"}
INTERPOLATION = re.compile(r"\$\{(?:oc\.select:)?([\w.]+)(?:,[^}]*)?\}")  # of one key, or of its default
Listed = Mapping[tuple[str, str], set[str]]


def check(config: DictConfig) -> dict[str, Any]:
    """Return the resolved configuration as plain containers; ``UserError`` for a missing or refused value."""
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise UserError(f"{missing[0]} is missing: type {missing[0]}=...")
    if isinstance(root := OmegaConf.select(config, "data.root"), int):  # a folder named by a number
        OmegaConf.update(config, "data.root", str(root))
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    values = flat(plain)
    check_targets(plain, listed())
    for key in ("source", "deduplication"):
        if not isinstance(plain.get("data", {}).get(key, {}), Mapping):
            raise UserError(f"data.{key}={shown(plain['data'][key])} is not to be replaced: type the keys below it")
    for key in ("packs", "outputs", "data.root"):
        if not isinstance(values.get(key, "."), str) or not values.get(key, "."):
            raise UserError(f"{key}={shown(values[key])} is no folder: type {key}=FOLDER")
    for key in ("run", "name"):
        if key in values and (str(values[key]) in ("", ".", "..") or "/" in str(values[key])):
            raise UserError(f"{key}={values[key]} is not a name: type one without slashes, and the place as outputs=")
    if "trainer.precision" in values:
        if (precision := shown(values["trainer.precision"])) not in PRECISIONS:
            raise UserError(f"trainer.precision={precision} is not supported: choose 32-true or bf16-mixed, or auto")
        plain["trainer"]["precision"] = PRECISIONS[precision]
    for line in mistakes(plain, flat(OmegaConf.to_container(config, resolve=False))):  # type: ignore[arg-type]
        raise UserError(line)
    return plain


def mistakes(config: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each refused value; ``raw`` has the interpolations, by dotted keys."""
    for key, value in flat(config).items():
        for kind, patterns in KEYS:
            if any(fnmatchcase(key, pattern) for pattern in patterns.split()) and (requirement := unmet(kind, value)):
                yield mistake(key, value, requirement, raw)
    for key, node in nodes(config):
        own = node.get("_target_")
        for target in [str(own or ""), *(target for owner_key, target in OWNERS if owner_key == key)]:
            if target.startswith("ganlab."):
                owner = find(target)
                if target == own:
                    yield from misnamed(key, node, owner)
                for name, requirement in refused(owner, node).items():
                    yield mistake(f"{key}.{name}", node[name], requirement, raw)


def mistake(key: str, value: Any, requirement: str, raw: Mapping[str, Any]) -> str:
    """Return the line for a refused value, with the key that was typed if interpolations copy it."""
    given = raw.get(key)
    if isinstance(given, list) and isinstance(value, list):
        for each, element in zip(given, value, strict=True):
            if INTERPOLATION.fullmatch(str(each)):
                given, value, requirement = each, element, requirement.removeprefix("a list, each ")
                break
    if (found := INTERPOLATION.fullmatch(str(given))) and found[1] in raw:
        return mistake(found[1], value, requirement, raw)
    return f"{key}={shown(value)} must be {requirement}"


def nodes(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every mapping below a configuration with its dotted key."""
    for name, node in config.items():
        if isinstance(node, Mapping):
            yield f"{prefix}{name}", node
            yield from nodes(node, f"{prefix}{name}.")


def built(group: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a group that are built; a recipe may add values to one that is not chosen."""
    return {name: node for name, node in group.items() if isinstance(node, Mapping) and "_target_" in node}


def find(target: str) -> Any:
    """Return the class or function of a dotted name."""
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"_target_={target} does not exist: {error}") from error


def misnamed(key: str, node: Mapping[str, Any], owner: Any) -> Iterator[str]:
    """Yield a line for each value of a node that its ``_target_`` does not take, or needs and lacks."""
    parameters = inspect.signature(owner).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for name in node.keys() - parameters.keys() - {"_target_", "_partial_"}:
            yield f"{key}.{name} is unknown to {node['_target_']}: it takes {', '.join(parameters)}"
    for name, parameter in parameters.items():  # objects are handed over by whoever builds it
        if parameter.default is parameter.empty and name not in node and unmet(annotations(owner).get(name), None):
            yield f"{key}.{name} is missing: type {key}.{name}=..."


def check_targets(config: Any, known: Listed, key: str = "") -> None:
    """Refuse a configuration that would call anything else than ``conf`` names and PyTorch's optimisers."""
    items = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for name, value in items:
        if name == "_target_" and not is_listed(key, value, known):
            raise UserError(f"{key}_target_={value} is refused: no file in conf/{key.partition('.')[0]} names it")
        check_targets(value, known, f"{key}{name}.")


def listed(conf: Path = CONF) -> Listed:
    """Return the classes that ``conf`` names, by (group, ``_target_``), with the keys next to the name."""
    found: dict[tuple[str, str], set[str]] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # many times as fast
    for file in conf.glob("*/**/*.yaml"):
        text = file.read_text(encoding="utf-8")
        package = re.search(r"^# *@package +(\w+)", text, re.M)
        group = package[1] if package else file.relative_to(conf).parts[0]
        content = yaml.load(text, loader)
        for key, node in nodes(content if group == "_global_" else {group: content}):
            if "_target_" in node:
                found.setdefault((key.partition(".")[0], str(node["_target_"])), set()).update(node)
    return found


def is_listed(key: str, target: Any, known: Listed) -> bool:
    """Whether a class may be called at a dotted key: ``conf`` names it in this group, or it is PyTorch's optimiser."""
    group, (module, _, name) = key.partition(".")[0], str(target).rpartition(".")
    if group == "optimizer" and module == "torch.optim":
        found = getattr(import_module(module), name, None)
        return inspect.isclass(found) and issubclass(found, import_module(module).Optimizer)
    return (group, str(target)) in known


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys; lists are values."""
    values: dict[str, Any] = {}
    for name, value in config.items():
        nested = isinstance(value, Mapping) and value
        values |= flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return values


def differences(before: Mapping[str, Any], now: Mapping[str, Any], free: tuple[str, ...] = ()) -> list[str]:
    """List the keys whose values differ, as ``key=before (now: value)``; those below a ``free`` key may differ."""
    old, new = flat(before), flat(now)
    return [
        f"{key}={old.get(key)} (now {new.get(key)})"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not any(key == name or key.startswith(f"{name}.") for name in free)
    ]
