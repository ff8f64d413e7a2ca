"""Trains the families of families.py with the callbacks of every run: family_runs.py PROCESSES FOLDER.

Each family runs straight to the end, and once more in two halves; what came out lies in FOLDER.
family_runs.py PROCESSES FOLDER FAMILY IMAGES trains one, saved after each minibatch.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from families import FAMILIES, SEED, SIDE  # noqa: E402

from ganlab.data.module import ImageDataModule  # noqa: E402
from ganlab.data.packs.pictures import PictureProtocol  # noqa: E402
from ganlab.data.packs.source import Record, Source  # noqa: E402
from ganlab.data.spec import PackSpec  # noqa: E402
from ganlab.runs.build import build_trainer, load_weights  # noqa: E402
from ganlab.runs.callbacks import build_callbacks  # noqa: E402
from ganlab.runs.folder import RunFolder  # noqa: E402
from ganlab.systems.checkpoint import LAST, Checkpoint, read  # noqa: E402

BATCH = 8
LENGTHS = {
    "pix2pix": (24, 48),
    "context_encoder": (24, 48),
    "cycle_of_two": (24, 48),
    "cycle_of_four": (24, 48),
    "growing": (68, 120),
}
TRAINER = {"accelerator": "cpu", "num_nodes": 1, "strategy": "auto", "plugins": None}
METRICS = {
    "swd": {"_target_": "ganlab.metrics.measures.swd.SWD", "patches": 8, "seed": 0},
    "l1": {"_target_": "ganlab.metrics.measures.paired.L1", "pixels": "all"},
}
LIMITS = {"worse": 2.0, "swing": 0.25, "diversity": 0.3, "coverage": 0.5, "vanished": 0.01}
DIAGNOSTICS = {"on_trouble": "warn", "warm_up": 0, **LIMITS}
BOUNDARY = 48  # images at which the growing one enters its second level


class Noise(Source):
    """Thirty records of random grey pictures, as many as metrics compare with."""

    name = "noise"

    def __init__(self, seed: int, pictures: tuple[str, ...]) -> None:
        self.seed, self.pictures, self.classes = seed, pictures, None  # type: ignore[misc]

    def __len__(self) -> int:
        return 30

    def fingerprint(self) -> dict[str, Any]:
        return {"seed": self.seed, "pictures": self.pictures}

    def read(self, index: int) -> Record:
        rng = np.random.default_rng((self.seed, index))
        return {name: rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8) for name in self.pictures}


def data_of(learns_from: tuple[str, ...], folder: Path) -> ImageDataModule:
    protocol = PictureProtocol(SIDE, 1)

    def spec(seed: int, *pictures: str) -> PackSpec:
        return PackSpec(Noise(seed, pictures), protocol, folder / "packs", max_broken=0, workers=0)

    if "masks" in learns_from:
        return ImageDataModule(spec(9, "images"), BATCH, SEED, inputs="centre_hole", overlap=8)  # 8 of 128: 1 of 16
    domains = {name: spec(number, "images") for number, name in enumerate(learns_from)}
    return ImageDataModule(domains if learns_from == ("a", "b") else spec(9, *learns_from), BATCH, SEED)


def train(name: str, folder: Path, images: int, devices: int, save: int | None = None, **options: Any) -> None:
    """Train a family up to so many images, from its last checkpoint where there is one."""
    system = FAMILIES[name](half_life=100.0, **options)
    for layer in (*system.networks.modules(), *system.averages.modules()):
        if isinstance(layer, nn.Dropout) and (devices > 1 or "one" in folder.name):
            layer.p = 0.0  # drawn by each rank for itself
    data = data_of(system.learns_from, folder.parent)
    data.batch_size_at = lambda seen: system.stages(seen).batch_size or BATCH
    metrics = {name: node for name, node in METRICS.items() if name != "l1" or "targets" in system.learns_from}
    config = {
        "seed": SEED,
        "data": {"name": "noise"},
        "every": {"log": 24, "samples": None, "metrics": None, "checkpoint": save, "keep": None, "diagnostics": 24},
        "metrics": metrics | {"count": 24, "batch_size": 100, "best": None},
        "diagnostics": DIAGNOSTICS,
    }
    run = RunFolder(folder)
    run.samples.mkdir(parents=True, exist_ok=True)
    watch = build_callbacks(run, config, data, system, images)
    trainer = build_trainer({"trainer": TRAINER | {"devices": devices}}, watch.callbacks, [], watch.writer)
    if trainer.is_global_zero:
        watch.evaluations.evaluator.prepare_reals()
    last = run.checkpoints / LAST
    if last.is_file():
        load_weights(system, Checkpoint(last, read(last)))
    trainer.fit(system, datamodule=data, ckpt_path=last if last.is_file() else None, weights_only=True)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()  # rank 0 may still be writing what the next run starts from


def main(processes: int, folder: Path) -> None:
    for name, (half, full) in LENGTHS.items():
        if processes > 1 and name == "cycle_of_four":  # as the other form does
            continue
        train(name, folder / f"{name}-straight", full, processes)
        for images in (half, full):
            train(name, folder / f"{name}-halves", images, processes)
        if processes == 1:
            train(name, folder / f"{name}-one", full, processes, **({"replay": 0} if "cycle" in name else {}))
        elif "cycle" in name:
            train(name, folder / f"{name}-two", full, processes, replay=0)
    if processes == 1:
        for images in (BOUNDARY, LENGTHS["growing"][1]):
            train("growing", folder / "growing-boundary", images, processes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if family := sys.argv[3:]:
        train(family[0], Path(sys.argv[2]), int(family[1]), int(sys.argv[1]), save=BATCH)
    else:
        main(int(sys.argv[1]), Path(sys.argv[2]))
