"""The paper's figures and tables, from checkpoints: made, scored, and set beside the paper's own numbers."""

import json
import math
import shlex
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from hydra.utils import get_class
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from ganlab.data.pack import Pack
from ganlab.errors import UserError
from ganlab.files import write_whole
from ganlab.latent.exemplars import Sheet
from ganlab.latent.video import save_gif
from ganlab.networks.authors import load_discriminator, load_generator
from ganlab.objectives.losses import NonSaturating
from ganlab.paper.item import Item, Material, Model, Outcome
from ganlab.paper.judges import Judges
from ganlab.report.grids import save_image
from ganlab.report.picker import save_picker
from ganlab.runs.assembly import build_data, choose_device, load_system, make
from ganlab.runs.bench import number, writing
from ganlab.runs.checking import check
from ganlab.runs.entry import CONF
from ganlab.runs.folder import run_of
from ganlab.runs.paper_items import KINDS
from ganlab.runs.real_images import with_split
from ganlab.runs.training import quieten
from ganlab.systems.gan import GAN
from ganlab.systems.update import DISCRIMINATOR, GENERATOR, sequential

GIF_RATE = 12.5  # images a second of an animation
SHOWN_SIDE = 128  # to which small images of an animation are enlarged


def reproduce(config: DictConfig) -> None:
    """Make one figure or table, write it with its numbers, and print them beside the paper's.

    Raises:
        UserError: a figure and a table at once, a model that is missing or of another kind, or data that do not suit.
    """
    quieten()
    plain = check(config)
    chosen = [kind for kind in KINDS if plain[kind] is not None]
    if len(chosen) != 1:
        raise UserError("figure= and table= are two things to make: type one of them")
    kind = chosen[0]
    item: Item = make(plain[kind], kind)
    roles = found_or_trained(plain, item, f"{kind}_{plain['number']}")
    folder = Path(plain["output"]) if plain["output"] else place(roles) / "reproduction"
    stem = f"{kind}_{plain['number']}"
    judges = Judges(plain["features"]["classifier"])
    if plain["pick"] is not None:
        offer(item, material_of(plain, roles[0], folder, judges), Path(str(plain["pick"])), f"{kind}={plain['number']}")
        return
    outcomes = []
    for paths in roles:
        print(f"{kind} {plain['number']}, {item.title}" + (f": {', '.join(map(str, paths.values()))}" if paths else ""))
        try:
            outcomes.append(item.make(material_of(plain, paths, folder, judges)))
        except ValueError as error:  # of the libraries, which know nothing of commands
            raise UserError(f"{kind}={plain['number']}: {error}") from error
    files = save(outcomes[0], folder, stem)
    tell(item, outcomes, folder / f"{stem}.json", roles)
    for file in files:
        print(f"picture: {file}")


def found_or_trained(config: dict[str, Any], item: Item, name: str) -> list[dict[str, Path]]:
    """Return the checkpoints of each role, one mapping for each seed; trained first where that is asked for.

    Raises:
        UserError: one is missing, or two roles have unequal numbers of them.
    """
    given = {role: listed(config[role]) for role in ("checkpoint", "baseline")}
    if config["from_scratch"]:
        for role in item.needs:
            if not given[role]:
                given[role] = [train(config, role, name, config["seed"] + n) for n in range(config["seeds"])]
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
        save_picker(choices.images, page, title, choices.task, columns, choices.concepts)
        if choices.concepts:
            Sheet(choices.latents, None, columns).save(page.with_suffix(".npz"))
    key = "exemplars" if choices.concepts else "boxes"
    file = page.with_suffix(".json")
    print(f"open {page} in a browser, pick, save {file.name} beside it, and type the same with {key}={file}")


def listed(value: Any) -> list[Path]:
    """Return one path or several as a list."""
    values = [] if value is None else value if isinstance(value, list) else [value]
    return [Path(str(each)).expanduser() for each in values]


def place(roles: list[dict[str, Path]]) -> Path:
    """Return the run folder of the first checkpoint; the current one without."""
    return run_of(roles[0]["checkpoint"]) if "checkpoint" in roles[0] else Path()


def train(config: dict[str, Any], role: str, name: str, seed: int) -> Path:
    """Train the model of a role with ``src/train.py``, or continue, or take what is there; returns its checkpoint."""
    overrides = shlex.split(config["train"][role] or "")
    if not overrides:
        raise UserError(f"there is no recipe for the {role}: type train.{role}='experiment=...', or {role}=FILE")
    run = f"{name}_{role}_seed{seed}"
    places = [f"run={run}", f"seed={seed}", f"outputs={config['outputs']}", f"packs={config['packs']}"]
    command = [sys.executable, str(CONF.parent / "src" / "train.py"), *overrides, *places]
    print(f"training the {role}: python src/train.py {' '.join([*overrides, *places])}", flush=True)
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"the {role} was not trained to its end, see above; the same command continues")
    folder = Path(config["outputs"]) / run / "checkpoints"
    return best if (best := folder / "best.ckpt").is_file() else folder / "last.ckpt"


def material_of(config: dict[str, Any], paths: Mapping[str, Path], folder: Path, judges: Judges) -> Material:
    """Load the models, and say where real images come from."""
    models = {role: load(path, config["device"]) for role, path in paths.items()}
    if not models:  # drawn from networks as they are configured
        networks = [make(config["architecture"][name], f"architecture.{name}") for name in (GENERATOR, DISCRIMINATOR)]
        models = {"checkpoint": Model(bare(*networks), {}, "the configuration")}
    trained = models["checkpoint"].config
    data = {**trained, "data": config["data"]} if config.get("data") is not None else trained
    pack = partial(pack_of, data, config)
    return Material(
        models,
        cache(pack),
        judges,
        None if config["exemplars"] is None else Path(str(config["exemplars"])),
        None if config["boxes"] is None else Path(str(config["boxes"])),
        config["seed"],
        folder,
    )


def load(path: Path, device: str) -> Model:
    """Return a run's checkpoint, or the authors' released weights (an .npz), as a model."""
    if path.suffix == ".npz":
        authors = bare(load_generator(path), load_discriminator(path))
        return Model(authors.to(choose_device(device)).eval(), {}, str(path))
    system, config = load_system(path, device)
    if not isinstance(system, GAN):
        raise UserError(f"{path} is no GAN of one generator and one discriminator, which the paper's figures are of")
    return Model(system, config, str(path))


def bare(generator: torch.nn.Module, discriminator: torch.nn.Module) -> GAN:
    """Return networks as a system that is never trained."""
    optimizers = {player: partial(torch.optim.SGD, lr=0.0) for player in (GENERATOR, DISCRIMINATOR)}
    return GAN(generator, discriminator, optimizers, NonSaturating(), sequential(), seed=0)


def pack_of(trained: dict[str, Any], config: dict[str, Any], split: str | None) -> Pack | None:
    """Return the pack of a split of the data; None where they have none of that name."""
    if "data" not in trained:
        raise UserError("this needs real images, and the weights do not tell which: type data=svhn or the like")
    trained = {"seed": 0, **deepcopy(trained), "packs": config["packs"]}
    trained.pop("system", None)  # real images alone are asked for
    if config["root"]:
        trained["data"]["source"]["root"] = str(config["root"])
    if split is not None:
        known = getattr(get_class(trained["data"]["source"]["_target_"]), "splits", None)
        if known is not None and split not in known:
            return None
        try:
            trained = with_split(trained, split)
        except UserError:  # all in one piece
            return None
    try:
        return build_data(trained).pack
    except UserError as error:
        if split is not None and str(error).startswith(("data.split=", f"split={split} ")):
            return None
        raise


def save(outcome: Outcome, folder: Path, stem: str) -> list[Path]:
    """Write pictures and animations; returns where."""
    files = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in outcome.pictures.items():
            files.append(folder / f"{stem}{'_' if name else ''}{name}.png")
            save_image(picture, files[-1])
        for name, images in outcome.animations.items():
            files.append(folder / f"{stem}{'_' if name else ''}{name}.gif")
            save_gif(images, files[-1], GIF_RATE, max(1, SHOWN_SIDE // images.shape[-1]))
    return files


def tell(item: Item, outcomes: list[Outcome], record: Path, roles: list[dict[str, Path]]) -> None:
    """Print scores beside the paper's, claims and what differs, and write all of it."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.scores))
    scores = {name: [outcome.scores[name] for outcome in outcomes if name in outcome.scores] for name in names}
    table = Table(title=item.title, title_justify="left")
    for heading in ("score", "ours", "paper"):
        table.add_column(heading, overflow="fold")
    for name in dict.fromkeys([*names, *item.published]):
        table.add_row(name, text(scores.get(name, [])), item.published.get(name, ""))
    Console().print(table)
    told = {claim.text: claim.told(scores) for claim in item.claims}
    for claim, holds in told.items():
        print(f"{'not measured' if holds is None else 'holds' if holds else 'DOES NOT HOLD'}: {claim}")
    remarks = outcomes[0].remarks
    for line in (*remarks, *item.differs):
        print(f"- {line}")
    content = {
        "title": item.title,
        "models": [{role: str(path) for role, path in paths.items()} for paths in roles],
        "scores": {
            name: dict(zip(("value", "spread"), summed_up(values), strict=True))
            | {"each": [number(value) for value in values]}
            for name, values in scores.items()
        },
        "published": item.published,
        "claims": told,
        "remarks": remarks,
        "differs": list(item.differs),
    }
    with writing(record):
        write_whole(record, json.dumps(content, indent=2))
    print(f"numbers: {record}")


def summed_up(values: list[float]) -> tuple[float | None, float | None]:
    """Return mean and standard deviation of the values that could be measured, as far as there are such."""
    known = [value for value in values if math.isfinite(value)]
    return mean(known) if known else None, stdev(known) if len(known) > 1 else None


def text(values: list[float]) -> str:
    """Return values of several models as a person reads them, ``0.123 +- 0.01``."""
    if not values:
        return ""
    value, spread = summed_up(values)
    return ("nan" if value is None else f"{value:.4g}") + ("" if spread is None else f" +- {spread:.2g}")
