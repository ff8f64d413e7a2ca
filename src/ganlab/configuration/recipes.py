"""Overrides implied by others: the recipe of a data set, and the values of a sweep's variants."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ganlab.errors import UserError

OmegaConf.register_new_resolver("names", ",".join, replace=True)  # of a mapping, as values of a sweep
# A share of a whole number, rounded to one; null of null, and the rest as it is, for the checks to refuse.
OmegaConf.register_new_resolver("share", lambda n, of: round(n * of) if isinstance(n, int) else n, replace=True)
Variants = Mapping[str, Mapping[str, str]]  # key: value: the overrides that it stands for, as they are typed


def add_recipe(arguments: Sequence[str], conf: Path) -> tuple[list[str], str]:
    """Add the ``experiment=`` of the data set's file if none is typed; also return a line that says so, else empty."""
    typed = dict(argument.partition("=")[::2] for argument in arguments)
    if "experiment" in typed or "hydra.sweeper.params.experiment" in typed or _sets_recipe(_preset(arguments, conf)):
        return list(arguments), ""
    data = conf / "data" / f"{typed.get('data')}.yaml"
    if "data" in typed and not data.is_file():  # several data sets, of which each job has one; or a mistake
        return list(arguments), ""
    if data.is_file() and (recipe := OmegaConf.select(OmegaConf.load(data), "experiment")):
        place = list(arguments).index(f"data={data.stem}") + 1
        line = f"recipe    {recipe}, named by conf/data/{data.name}; another one: experiment=NAME"
        return [*arguments[:place], f"experiment={recipe}", *arguments[place:]], line
    default = _choices(OmegaConf.load(conf / "train.yaml")).get("experiment")
    return list(arguments), f"recipe    {default}, the default; another one: experiment=NAME"


def expand_variants(arguments: Sequence[str], variants: Variants) -> list[str]:
    """Insert the overrides of a variant such as ``guideline=max_pool`` behind it; what is typed later wins."""
    expanded = []
    for argument in arguments:
        expanded.append(argument)
        key, _, value = argument.partition("=")
        if key in variants and "," not in value:
            if value not in variants[key]:
                raise UserError(f"{argument} does not exist: choose one of {', '.join(variants[key])}")
            expanded += variants[key][value].split()
    return expanded


def variants_of(arguments: Sequence[str], conf: Path) -> Variants:
    """Return the variants of the preset that ``sweep=`` chooses."""
    found: Variants = OmegaConf.select(_preset(arguments, conf), "hydra.launcher.variants") or {}
    return found


def _preset(arguments: Sequence[str], conf: Path) -> Any:
    files = [conf / "sweep" / f"{argument[6:]}.yaml" for argument in arguments if argument.startswith("sweep=")]
    return OmegaConf.load(files[-1]) if files and files[-1].is_file() else OmegaConf.create()


def _sets_recipe(preset: Any) -> bool:
    return "experiment" in _choices(preset) or "experiment" in (OmegaConf.select(preset, "hydra.sweeper.params") or {})


def _choices(config: Any) -> dict[str, Any]:
    """Return the option of each group in a file's ``defaults``."""
    entries = [entry for entry in config.get("defaults", []) if not isinstance(entry, str)]
    return {key.removeprefix("override ").lstrip("/"): option for entry in entries for key, option in entry.items()}
