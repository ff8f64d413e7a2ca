"""The paper's figures and tables, from checkpoints: made, scored, and set beside the paper's own numbers."""

import json
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from omegaconf import DictConfig

from ganlab.configuration.checking import check
from ganlab.configuration.entry import CONF
from ganlab.errors import UserError
from ganlab.files import writing
from ganlab.latent.exemplars import Sheet
from ganlab.paper.classifiers import Judges
from ganlab.paper.figure import Item, Material
from ganlab.paper.listing import KINDS
from ganlab.paper.loading import fingerprint, material_of
from ganlab.paper.record import PaperRecord
from ganlab.report.picker import save_picker
from ganlab.runs.build import make
from ganlab.runs.folder import run_of
from ganlab.runs.training import silence_lightning

NAMED = 80  # letters of the name of a run that is trained


def reproduce(config: DictConfig) -> None:
    """Make one figure or table, write it with its numbers, and print them beside the paper's.

    Raises:
        UserError: a figure and a table at once, a model that is missing or of another kind, or data that do not suit.
    """
    silence_lightning()
    plain = check(config)
    chosen = [kind for kind in KINDS if plain[kind] is not None]
    if len(chosen) != 1:
        raise UserError("figure= and table= are two things to make: type one of them")
    kind = chosen[0]
    item: Item = make(plain[kind], kind)
    roles = found_or_trained(plain, item)
    by_hand = [key for key in ("exemplars", "boxes", "pick") if plain[key] is not None]
    if by_hand and len(roles) > 1:
        raise UserError(f"{by_hand[0]}= goes by the samples of one model, and {len(roles)} are given: give one")
    folder = Path(plain["output"]).expanduser() if plain["output"] else place(roles) / "reproduction"
    name = f"{kind}={plain['number']}"
    judges = Judges(plain["classifier"])
    if plain["pick"] is not None:
        offer(item, material_of(plain, roles[0], folder, judges), Path(str(plain["pick"])), name)
        return
    record = PaperRecord(item, plain, kind, folder, roles)
    for paths in roles:
        print(f"{name}, {item.title}" + (f": {', '.join(map(str, paths.values()))}" if paths else ""))
        material = material_of(plain, paths, folder, judges, record.interim)
        require_own(material)
        record.data = plain.get("data") or material.model.config.get("data") or {}
        try:
            record.add(item.make(material))
        except ValueError as error:  # of the libraries, which know nothing of commands
            raise UserError(f"{name}: {error}") from error
    record.tell()


def found_or_trained(config: dict[str, Any], item: Item) -> list[dict[str, Path]]:
    """Return the checkpoints of each role, one mapping for each seed; trained first where that is asked for.

    Raises:
        UserError: one is missing, or two roles have unequal numbers of them.
    """
    given = {role: listed(config[role]) for role in ("checkpoint", "baseline")}
    if config["from_scratch"]:
        for role in item.needs:
            if not given[role]:
                given[role] = [train(config, role, config["seed"] + n) for n in range(config["seeds"])]
    for role in item.needs:
        if not given[role]:
            raise UserError(f"{role} is missing: type {role}=RUN/checkpoints/best.ckpt, or from_scratch=true")
    used = {role: paths for role, paths in given.items() if paths and (role in item.needs or role == "checkpoint")}
    counts = {role: len(paths) for role, paths in used.items()}
    if len(set(counts.values())) > 1:
        raise UserError(f"{' and '.join(f'{count} of {role}' for role, count in counts.items())}: give as many of each")
    return [{role: paths[n] for role, paths in used.items()} for n in range(max(counts.values(), default=0))] or [{}]


def offer(item: Item, material: Material, page: Path, name: str) -> None:
    """Write the page that exemplars are picked, or boxes are drawn on; ``UserError`` where nothing is to be chosen."""
    if (choices := item.choices(material)) is None:
        raise UserError(f"{name} leaves nothing to pick: leave out pick=")
    if page.suffix != ".html":
        raise UserError(f"pick={page} must end in .html")
    columns = math.ceil(math.sqrt(len(choices.images)))
    with writing(page):
        title = f"{name}, {material.model.name}"
        save_picker(choices.images, page, title, choices.task, columns, choices.concepts, origin_of(material))
        if choices.concepts:
            labels = (
                torch.full((len(choices.latents),), material.model.shown) if material.model.system.classes else None
            )
            Sheet(choices.latents, labels, columns).save(page.with_suffix(".npz"))
    key = "exemplars" if choices.concepts else "boxes"
    file = page.with_suffix(".json")
    print(f"open {page} in a browser, pick, save {file.name} beside it, and type the same with {key}={file}")


def origin_of(material: Material) -> dict[str, Any]:
    """Return what a page of samples is of, by which files that were picked on it are known again."""
    return {"model": fingerprint(material.model), "seed": material.seed}


def require_own(material: Material) -> None:
    """Raise ``UserError`` where exemplars or boxes were picked on another model's samples, as far as the file tells.

    Boxes lie in samples of a seed as well, while exemplars have their latents with them.
    """
    for file, keys in ((material.exemplars, ("model",)), (material.boxes, ("model", "seed"))):
        if file is None:
            continue
        try:
            picked = json.loads(file.read_text())
        except (OSError, ValueError):  # whoever reads it says so
            continue
        if not isinstance(picked, dict):
            continue
        if "model" not in picked:
            print(f"{file} does not say which model it was picked on")
        origin = origin_of(material)
        for key in keys:
            if picked.get(key, origin[key]) != origin[key]:
                what = "another model" if key == "model" else f"seed={picked[key]}"
                raise UserError(f"{file} was picked on samples of {what}: give that one, or pick anew with pick=")


def listed(value: Any) -> list[Path]:
    """Return one path or several as a list."""
    values = [] if value is None else value if isinstance(value, list) else [value]
    return [Path(str(each)).expanduser() for each in values]


def place(roles: list[dict[str, Path]]) -> Path:
    """Return the run folder of the first checkpoint; the current one without."""
    return run_of(roles[0]["checkpoint"]) if "checkpoint" in roles[0] else Path()


def train(config: dict[str, Any], role: str, seed: int) -> Path:
    """Train the model of a role with ``src/train.py``, or continue, or take what is there; returns its checkpoint.

    The run is named after its recipe, so that figures of the same one share it.
    """
    overrides = shlex.split(config["train"][role] or "")
    if not overrides:
        raise UserError(f"there is no recipe for the {role}: type train.{role}='experiment=...', or {role}=FILE")
    if (take := config["train"]["take"]) not in ("best", "last"):
        raise UserError(f"train.take={take} is no checkpoint: type best or last")
    run = f"{recipe_name(overrides)}_seed{seed}"
    places = [f"run={run}", f"seed={seed}", f"outputs={config['outputs']}", f"packs={config['packs']}"]
    command = [sys.executable, str(CONF.parent / "src" / "train.py"), *overrides, *places]
    print(f"training the {role}: python src/train.py {' '.join([*overrides, *places])}", flush=True)
    told = os.environ | {"HYDRA_FULL_ERROR": "0"}  # it is set here for our own ends, see `entry_point`
    if subprocess.run(command, check=False, env=told).returncode:
        raise UserError(f"the {role} was not trained to its end, see above: mend train.{role}=, or repeat to continue")
    folder = Path(config["outputs"]) / run / "checkpoints"
    wanted = folder / f"{take}.ckpt"
    return wanted if wanted.is_file() else folder / "last.ckpt"


def recipe_name(overrides: list[str]) -> str:
    """Return what a run is called after all that is typed behind ``train.py``: ``mnist_gan_max_images-9000``."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", "_".join(text.removeprefix("experiment=") for text in overrides)).strip("-.")
    return name if len(name) <= NAMED else f"{name[:NAMED]}-{crc32(name.encode()):08x}"
