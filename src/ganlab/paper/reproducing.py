"""``reproduce.py``: makes a figure or table of the paper from checkpoints and scores it against the paper."""

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
from ganlab.configuration.commands import command as shown
from ganlab.configuration.commands import placed
from ganlab.configuration.entry import CONF
from ganlab.errors import UserError
from ganlab.files import writing
from ganlab.latent.exemplars import LatentGrid
from ganlab.paper.classifiers import Classifiers
from ganlab.paper.figure import Figure, FigureInputs
from ganlab.paper.listing import KINDS
from ganlab.paper.loading import fingerprint, load_inputs
from ganlab.paper.record import PaperRecord
from ganlab.report.picker import save_picker
from ganlab.runs.build import make
from ganlab.runs.folder import run_of
from ganlab.runs.training import silence_lightning

LONGEST_NAME = 80  # characters of the name of a trained run


def reproduce(config: DictConfig) -> None:
    """Make one figure or table, write it with its scores, and print them next to the paper's."""
    silence_lightning()
    plain = check(config)
    chosen = [kind for kind in KINDS if plain[kind] is not None]
    if len(chosen) != 1:
        raise UserError("figure= and table= cannot be combined: type one of them")
    kind = chosen[0]
    figure: Figure = make(plain[kind], kind)
    roles = find_checkpoints(plain, figure)
    by_hand = [key for key in ("exemplars", "boxes", "pick") if plain[key] is not None]
    if by_hand and len(roles) > 1:
        raise UserError(f"{by_hand[0]}= belongs to the samples of one model, and {len(roles)} are given: give one")
    run = run_of(roles[0]["checkpoint"]) if "checkpoint" in roles[0] else Path()
    folder = Path(plain["output"]).expanduser() if plain["output"] else run / "reproduction"
    name = f"{kind}={plain['number']}"
    classifiers = Classifiers(plain["classifier"])
    if plain["pick"] is not None:
        write_picker(
            figure, load_inputs(plain, roles[0], folder, classifiers, figure.systems), Path(str(plain["pick"])), name
        )
        return
    record = PaperRecord(figure, plain, kind, folder, roles)
    for paths in roles:
        print(f"{name}, {figure.title}" + (f": {', '.join(map(str, paths.values()))}" if paths else ""))
        inputs = load_inputs(plain, paths, folder, classifiers, figure.systems, record.save_partial)
        require_same_origin(inputs)
        record.data = plain.get("data") or inputs.model.config.get("data") or {}
        try:
            record.add(figure.make(inputs))
        except ValueError as error:  # of libraries that do not know the command
            raise UserError(f"{name}: {error}") from error
    record.print_summary()


def find_checkpoints(config: dict[str, Any], figure: Figure) -> list[dict[str, Path]]:
    """Return the checkpoints by role, one mapping per seed; ``from_scratch=true`` trains those that are missing."""
    given = {role: as_paths(config[role]) for role in ("checkpoint", "baseline")}
    if config["from_scratch"]:
        for role in figure.needs:
            if not given[role]:
                given[role] = [train(config, role, config["seed"] + n) for n in range(config["seeds"])]
    for role in figure.needs:
        if not given[role]:
            raise UserError(f"{role} is missing: type {role}=RUN/checkpoints/best.ckpt, or from_scratch=true")
    used = {role: paths for role, paths in given.items() if paths and (role in figure.needs or role == "checkpoint")}
    counts = {role: len(paths) for role, paths in used.items()}
    if len(set(counts.values())) > 1:
        found = " and ".join(f"{count} of {role}" for role, count in counts.items())
        raise UserError(f"{found}: give the same number of each")
    return [{role: paths[n] for role, paths in used.items()} for n in range(max(counts.values(), default=0))] or [{}]


def write_picker(figure: Figure, inputs: FigureInputs, page: Path, name: str) -> None:
    """Write the page for picking exemplars or drawing boxes; ``UserError`` if the figure uses neither."""
    if (candidates := figure.candidates(inputs)) is None:
        raise UserError(f"{name} leaves nothing to pick: leave out pick=")
    if page.suffix != ".html":
        raise UserError(f"pick={page} must end in .html")
    columns = math.ceil(math.sqrt(len(candidates.images)))
    with writing(page):
        title = f"{name}, {inputs.model.name}"
        origin = sample_origin(inputs)
        save_picker(candidates.images, page, title, candidates.task, columns, candidates.concepts, origin)
        if candidates.concepts:
            conditional, count = inputs.model.system.classes, len(candidates.latents)
            labels = torch.full((count,), inputs.model.label) if conditional else None
            LatentGrid(candidates.latents, labels, columns).save(page.with_suffix(".npz"))
    key = "exemplars" if candidates.concepts else "boxes"
    file = page.with_suffix(".json")
    again = shlex.quote(f"{key}={file}")
    print(f"open {page} in a browser, pick, save {file.name} in its folder, and repeat the command with {again}")


def sample_origin(inputs: FigureInputs) -> dict[str, Any]:
    """Return model and seed of the samples on a page, which the files that it saves repeat."""
    return {"model": fingerprint(inputs.model), "seed": inputs.seed}


def require_same_origin(inputs: FigureInputs) -> None:
    """Raise ``UserError`` if exemplars or boxes were picked on another model's samples, as far as the file records it.

    Boxes belong to the samples of a seed as well; exemplars come with their latents.
    """
    for file, keys in ((inputs.exemplars, ("model",)), (inputs.boxes, ("model", "seed"))):
        if file is None:
            continue
        try:
            picked = json.loads(file.read_text())
        except (OSError, ValueError):  # reported by its reader
            continue
        if not isinstance(picked, dict):
            continue
        if "model" not in picked:
            print(f"{file} does not record the model that it was picked on")
        origin = sample_origin(inputs)
        for key in keys:
            if picked.get(key, origin[key]) != origin[key]:
                what = "another model" if key == "model" else f"seed={picked[key]}"
                raise UserError(f"{file} was picked on samples of {what}: give that one, or pick again with pick=")


def as_paths(value: Any) -> list[Path]:
    """Return one path or several as a list."""
    values = [] if value is None else value if isinstance(value, list) else [value]
    return [Path(str(each)).expanduser() for each in values]


def train(config: dict[str, Any], role: str, seed: int) -> Path:
    """Train the model of a role with ``src/train.py``, continue it, or reuse it; return its checkpoint.

    The run is named after its recipe, so that figures with the same recipe share it.
    """
    overrides = shlex.split(config["train"][role] or "")
    if not overrides:
        raise UserError(f"there is no recipe for the {role}: type train.{role}='experiment=...', or {role}=FILE")
    if (take := config["train"]["take"]) not in ("best", "last"):
        raise UserError(f"train.take={take} does not exist: choose best or last")
    run = f"{recipe_name(overrides)}_seed{seed}"
    places = [f"run={run}", f"seed={seed}", f"outputs={placed(Path(config['outputs']))}"]
    places += [f"packs={placed(Path(config['packs']))}"]
    command = [sys.executable, str(CONF.parent / "src" / "train.py"), *overrides, *places]
    print(f"training the {role}: {shown('train', *overrides, *places)}", flush=True)
    environment = os.environ | {"HYDRA_FULL_ERROR": "0"}  # `entry_point` sets it for this process
    if subprocess.run(command, check=False, env=environment).returncode:
        raise UserError(f"training of the {role} failed, see above: correct train.{role}=, or repeat to continue")
    folder = Path(config["outputs"]) / run / "checkpoints"
    checkpoint = folder / f"{take}.ckpt"
    return checkpoint if checkpoint.is_file() else folder / "last.ckpt"


def recipe_name(overrides: list[str]) -> str:
    """Return the name of a run with these overrides of ``train.py``, such as ``mnist_gan_max_images-9000``."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", "_".join(text.removeprefix("experiment=") for text in overrides)).strip("-.")
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}-{crc32(name.encode()):08x}"
