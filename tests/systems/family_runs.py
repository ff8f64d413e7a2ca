"""Trains the families of families.py with data, previews and checkpoints: family_runs.py PROCESSES FOLDER.

Each family runs straight to the end, and once more in two halves; what came out lies in FOLDER.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from families import FAMILIES, SEED, SIDE  # noqa: E402

from ganlab.callbacks.checkpoints import Checkpoints, Signals  # noqa: E402
from ganlab.callbacks.samples import Samples  # noqa: E402
from ganlab.callbacks.stop import Length  # noqa: E402
from ganlab.callbacks.writer import Writer  # noqa: E402
from ganlab.data.module import ImageDataModule  # noqa: E402
from ganlab.data.packs.pictures import PictureProtocol  # noqa: E402
from ganlab.data.packs.source import Record, Source  # noqa: E402
from ganlab.data.spec import PackSpec  # noqa: E402
from ganlab.runs.build import build_trainer, load_weights  # noqa: E402
from ganlab.runs.callbacks import preview_requests  # noqa: E402
from ganlab.systems.checkpoint import LAST, Checkpoint, read  # noqa: E402

BATCH = 8
LENGTHS = {"pix2pix": (24, 48), "cycle_of_two": (24, 48), "cycle_of_four": (24, 48), "growing": (68, 120)}
BOUNDARY = 48  # images at which the growing one enters its second level


class Noise(Source):
    """Thirty records of random grey pictures."""

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

    domains = {name: spec(number, "images") for number, name in enumerate(learns_from)}
    return ImageDataModule(domains if learns_from == ("a", "b") else spec(9, *learns_from), BATCH, SEED)


def train(name: str, folder: Path, images: int, devices: int, **options: Any) -> None:
    """Train a family up to so many images, from its last checkpoint where there is one."""
    system = FAMILIES[name](half_life=100.0, **options)
    for network in system.networks.values() if devices > 1 or "one" in folder.name else ():
        for index, layer in enumerate(network if isinstance(network, nn.Sequential) else ()):
            if isinstance(layer, nn.Dropout):
                network[index] = nn.Identity()  # drawn by each rank for itself
    data = data_of(system.learns_from, folder.parent)
    data.batch_size_at = lambda seen: system.stages(seen).batch_size or BATCH
    writer, reals = Writer(), torch.zeros(4, 1, SIDE, SIDE, dtype=torch.uint8)
    checkpoints = Checkpoints(folder / "checkpoints", {}, None, None, Signals(), writer)
    previews = Samples(folder / "samples", reals, preview_requests(data, system), None, writer)
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    options = {"accelerator": "cpu", "devices": devices, "num_nodes": 1, "strategy": "auto", "plugins": None}
    trainer = build_trainer({"trainer": options}, [previews, Length(images), writer, checkpoints], [], writer)
    last = folder / "checkpoints" / LAST
    if last.is_file():
        load_weights(system, Checkpoint(last, read(last)))
    trainer.fit(system, datamodule=data, ckpt_path=last if last.is_file() else None, weights_only=True)


def main(processes: int, folder: Path) -> None:
    for name, (half, full) in LENGTHS.items():
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
    main(int(sys.argv[1]), Path(sys.argv[2]))
