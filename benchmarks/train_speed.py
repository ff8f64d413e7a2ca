"""Training speed: this project's whole loop beside a plain eager PyTorch loop of the same networks and batch.

    python benchmarks/train_speed.py                     32x32 width 32 and 64x64 width 32
    python benchmarks/train_speed.py --sizes 64 --width 64 --batch 128 --rounds 5

The plain loop is written as tutorials write it: D's loss on reals, then on detached fakes, D's step, G's loss through
D, G's step; contiguous images, float32, PyTorch's Adam. The project's loop is ``Trainer.fit`` with data module, meter,
metrics.csv and checkpoints about every 30 seconds, without metrics and moving average. Rounds of the two alternate in
one process, so that a noisy machine disturbs both; the first round of each is dropped. Printed: median images/s of each
with its spread, and the ratio of the medians. Start-up and the final checkpoint are not in it.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from torch import nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ganlab.callbacks.checkpoints import Checkpoints, Signals  # noqa: E402
from ganlab.callbacks.length import Length  # noqa: E402
from ganlab.callbacks.meter import Meter  # noqa: E402
from ganlab.data.module import ImageDataModule  # noqa: E402
from ganlab.data.pictures import PictureProtocol  # noqa: E402
from ganlab.data.recipe import Recipe  # noqa: E402
from ganlab.data.source import Record, Source  # noqa: E402
from ganlab.runs.assembly import build_system, build_trainer  # noqa: E402
from ganlab.runs.checking import check  # noqa: E402
from ganlab.runs.loggers import MetricsFile  # noqa: E402
from ganlab.runs.training import quieten  # noqa: E402


class Noise(Source):
    """A source of random pictures: speed does not depend on what they show."""

    name, in_memory = "noise", True

    def __init__(self, count: int, size: int) -> None:
        rng = torch.Generator().manual_seed(0)
        self.pictures = torch.randint(0, 256, (count, size, size, 3), generator=rng, dtype=torch.uint8).numpy()

    def __len__(self) -> int:
        return len(self.pictures)

    def fingerprint(self) -> dict[str, Any]:
        """Size and count say it all."""
        return {"shape": list(self.pictures.shape)}

    def read(self, index: int) -> Record:
        """Return picture ``index``."""
        return {"images": self.pictures[index]}


def plain_loop(generator: Any, discriminator: nn.Module, data: ImageDataModule, batch: int) -> Iterator[None]:
    """Train as a tutorial does, one step of D and of G at each ``next``."""
    d_adam = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    g_adam = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(batch), torch.zeros(batch)
    while True:
        for start in range(0, len(data.pack) - batch + 1, batch):
            reals = torch.from_numpy(np.array(data.pack.images[start : start + batch])).permute(0, 3, 1, 2)
            reals = (reals.float() / 127.5 - 1).contiguous()
            discriminator.zero_grad()
            criterion(discriminator(reals), ones).backward()
            fakes = generator(torch.rand(batch, generator.latent_size) * 2 - 1)
            criterion(discriminator(fakes.detach()), zeros).backward()
            d_adam.step()
            generator.zero_grad()
            criterion(discriminator(fakes), ones).backward()
            g_adam.step()
            yield


def project_loop(config: dict[str, Any], data: ImageDataModule, images: int, folder: Path) -> float:
    """Train ``images`` images through the Trainer and return the seconds from the first batch to the last."""
    system = build_system(config)
    times: list[float] = []

    class Stopwatch(Length):
        def on_train_start(self, *_: Any) -> None:
            times.append(time.perf_counter())

        def on_train_end(self, *_: Any) -> None:
            times.append(time.perf_counter())

    callbacks = [Meter(config["every"]["log"]), Stopwatch(images), Checkpoints(folder, config, None, None, Signals())]
    trainer = build_trainer(config, callbacks, [MetricsFile(folder / "metrics.csv")])
    trainer.fit(system, datamodule=data)
    return times[1] - times[0]


def compare(size: int, width: int, batch: int, rounds: int, steps: int, precision: str, folder: Path) -> None:
    """Print one line of the comparison."""
    overrides = [
        "experiment=none",
        f"data.image_size={size}",
        "data.channels=3",
        f"data.batch_size={batch}",
        "ema.half_life=0",
    ]
    overrides += [f"architecture.width={width}", f"trainer.precision={precision}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = check(compose("train", [*overrides, "run=bench", "name=bench", "logger=none", "metrics=none"]))
    recipe = Recipe(Noise(8 * batch, size), PictureProtocol(size, 3), folder / "packs", max_broken=0, workers=0)
    data = ImageDataModule(recipe, batch)
    system = build_system(config)
    networks = system.networks.to(memory_format=torch.contiguous_format)
    plain = plain_loop(networks["generator"], networks["discriminator"], data, batch)
    (folder / "run").mkdir(exist_ok=True)
    speeds: dict[str, list[float]] = {"plain": [], "ganlab": []}
    for _ in range(rounds + 1):
        began = time.perf_counter()
        for _ in islice(plain, steps):
            pass
        speeds["plain"].append(steps * batch / (time.perf_counter() - began))
        speeds["ganlab"].append(steps * batch / project_loop(config, data, steps * batch, folder / "run"))
    medians = {name: statistics.median(values[1:]) for name, values in speeds.items()}
    spread = {name: f"{min(values[1:]):.0f}-{max(values[1:]):.0f}" for name, values in speeds.items()}
    print(
        f"{size}x{size} width {width} batch {batch} {precision}: plain {medians['plain']:.0f} images/s "
        f"({spread['plain']}), ganlab {medians['ganlab']:.0f} ({spread['ganlab']}), "
        f"ratio {medians['ganlab'] / medians['plain']:.2f}",
        flush=True,
    )


def main() -> None:
    """Compare at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--precision", default="32-true")
    options = parser.parse_args()
    quieten()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            compare(size, options.width, options.batch, options.rounds, options.steps, options.precision, Path(folder))


if __name__ == "__main__":
    main()
