"""Training speed: this project's whole loop beside a tutorial's, the bare step, and the step's convolutions alone.

    python benchmarks/train_speed.py                                     32x32 and 64x64, quick
    python benchmarks/train_speed.py --sizes 32 64 128 --widths 32 64 --batches 64 128 --rounds 7 --steps 40
    python benchmarks/train_speed.py --set trainer.precision=32-true     without bfloat16
    python benchmarks/train_speed.py --sizes 64 --widths 128 --batches 128 --rounds 7      the authors' network: a GPU
    python benchmarks/train_speed.py --whole 10000 --sizes 64 --widths 64     whole processes, start-up included

Four routes take turns in one process, a first round warms up:

* ``ganlab``: ``Trainer.fit`` as ``src/train.py`` calls it, with what the machine chooses (precision, fused optimisers,
  compilation, ...), data module, every callback but metrics, metrics.csv, and checkpoints about every 30 seconds.
* ``tutorial``: a loop as tutorials write it, of the same networks: float32, contiguous images, PyTorch's Adam, and
  PyTorch's own settings.
* ``step``: this project's step without the Trainer, its callbacks and its clock.
* ``products``: the step's convolutions and matrix products alone, forward and both backwards, one after the other.

The share of the peak is that of the floating point operations of ganlab's step, counted, in the largest matrix product
of the same precision. ``--whole N`` times ``src/train.py`` on N images of a folder of JPEGs, which it packs first, and
``benchmarks/tutorial.py`` on the same folder. Speeds are printed for GPUs, or with ``--absolute``.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ganlab.configuration.checking import check  # noqa: E402
from ganlab.data.module import ImageDataModule  # noqa: E402
from ganlab.data.packs.pictures import PictureProtocol  # noqa: E402
from ganlab.data.packs.source import Record, Source  # noqa: E402
from ganlab.data.spec import PackSpec  # noqa: E402
from ganlab.runs.build import build_system  # noqa: E402
from ganlab.runs.folder import RunFolder  # noqa: E402
from ganlab.runs.machine import Machine, resident, settle  # noqa: E402
from ganlab.runs.training import silence_lightning  # noqa: E402
from limits import finish, flops_of, matrix_peak, products_of, profile_of  # noqa: E402
from loops import own_step, project_loop, tutorial_loop  # noqa: E402
from rounds import Times, take_turns  # noqa: E402

FILES = 5_000  # most pictures of the folder that whole processes see


class Noise(Source):
    """A source of random pictures: speed does not depend on what they show."""

    name, in_memory = "noise", True

    def __init__(self, count: int, size: int) -> None:
        rng = torch.Generator().manual_seed(0)
        self.noise = torch.randint(0, 256, (count, size, size, 3), generator=rng, dtype=torch.uint8).numpy()

    def __len__(self) -> int:
        return len(self.noise)

    def fingerprint(self) -> dict[str, Any]:
        """Size and count say it all."""
        return {"shape": list(self.noise.shape)}

    def read(self, index: int) -> Record:
        """Return picture ``index``."""
        return {"images": self.noise[index]}


def configuration(size: int, width: int, batch: int, typed: list[str]) -> dict[str, Any]:
    """Return the configuration of a run of a network of three colours, checked, but not settled."""
    values = ["experiment=paper", f"data.image_size={size}", "data.channels=3", f"data.batch_size={batch}"]
    values += [f"architecture.width={width}", "run=bench", "name=bench", "logger=none", "metrics=none", *typed]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return check(compose("train", values))


def compare(size: int, width: int, batch: int, options: argparse.Namespace, folder: Path) -> str:
    """Let the routes take turns, and return what came of it in a few lines."""
    config = configuration(size, width, batch, options.set)
    machine = Machine.here(config["trainer"]["accelerator"])
    config = settle(config, machine.choices(width=width) | machine.compiling(float("inf")), None)
    machine.prepare(config)
    device = torch.device(machine.device)
    spec = PackSpec(Noise(8 * batch, size), PictureProtocol(size, 3), folder / "packs", max_broken=0, workers=0)
    data = ImageDataModule(spec, batch)
    data.resident = resident(config["machine"]["data_on_device"], data, device)

    system = build_system(config)
    bare, plain = (build_system(config).to(device) for _ in range(2))
    networks = plain.networks.to(memory_format=torch.contiguous_format)
    tutorial = tutorial_loop(networks["generator"], networks["discriminator"], data, batch, device)
    step = own_step(bare, config, batch, size, device)
    products, flops = products_of(step), flops_of(step)  # of eager networks: both look at single operations
    profile = profile_of(step, device)
    if (mode := config["machine"]["compile"]) != "none":
        system.compile_networks(mode)
        bare.compile_networks(mode)
    run = RunFolder(folder / "run")
    run.create(config, {})

    def repeated(route: Any) -> None:
        for _ in range(options.steps):
            route()
        finish(device)

    routes = {
        "tutorial": lambda: as_installed(lambda: repeated(lambda: next(tutorial))),
        "ganlab": lambda: project_loop(system, config, data, options.steps * batch, run),
        "step": lambda: repeated(step),
        "products": lambda: repeated(products),
    }
    low = config["trainer"]["precision"].startswith("bf16")
    peak = matrix_peak(device, torch.bfloat16 if low else torch.float32)
    peaks: list[float] = []
    times = take_turns(routes | {"peak": lambda: peaks.append(peak()) or 0.0}, options.rounds)
    title = f"{size}x{size} width {width} batch {batch} {config['trainer']['precision']} compile {mode}"
    absolute = options.absolute or device.type == "cuda"
    spent = ", ".join(f"{share:.0%} {kind}" for kind, share in profile.items() if share >= 0.005)
    text = said(title, times, options.steps, batch, flops, float(np.median(peaks[1:])), absolute)
    return f"{text}\n    profile of the bare step, uncompiled: {spent}"


def as_installed(route: Callable[[], None]) -> None:
    """Run a route with PyTorch's own settings, in the place of those that this project makes for the process."""
    products = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=True):
        route()
    torch.set_float32_matmul_precision(products)


def said(title: str, times: dict[str, Times], steps: int, batch: int, flops: int, peak: float, absolute: bool) -> str:
    """Return the comparison in words."""
    mine, step = times["ganlab"].median, times["step"].median
    spread = ", ".join(f"{name} {times[name].spread:.0%}" for name in ("tutorial", "ganlab", "step", "products"))
    rate = flops * steps / mine
    lines = [
        f"{title}: {times['tutorial'].median / mine:.2f} x the tutorial loop",
        f"    {mine / times['products'].median:.2f} x the time of its convolutions and matrix products alone",
        f"    Trainer, callbacks and loading: {mine / step - 1:+.1%} of the step",
        f"    {rate / peak:.0%} of the matrix peak; of the step's time {times['products'].median / step:.0%} are "
        "convolutions and matrix products",
        f"    half the range of each: {spread}",
    ]
    if absolute:
        speeds = {name: steps * batch / times[name].median for name in ("tutorial", "ganlab", "step", "products")}
        listed = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
        lines.append(f"    images/s: {listed}; an epoch of 3 M images: {3e6 / speeds['ganlab'] / 60:,.1f} min")
        lines.append(f"    {flops / batch / 1e9:.2f} GFLOP an image, {rate / 1e12:.2f} of {peak / 1e12:.2f} TFLOP/s")
    return "\n".join(lines)


def compare_whole(size: int, width: int, batch: int, options: argparse.Namespace, folder: Path) -> str:
    """Return how much faster the whole command is than a whole tutorial script, over ``--whole`` images."""
    pictures = folder / f"pictures{size}" / "all"
    if not pictures.exists():
        write_pictures(pictures, min(options.whole, FILES), size)
    count = sum(1 for _ in pictures.iterdir())
    images = -(-options.whole // count) * (count // batch * batch)  # the tutorial drops an epoch's last, smaller batch
    epochs = str(images // (count // batch * batch))
    typed = ["experiment=paper", "data=folder", f"data.root={pictures}", f"data.image_size={size}", "max_epochs=null"]
    typed += [f"data.batch_size={batch}", f"architecture.width={width}", f"max_images={images}", "logger=none"]
    typed += ["metrics=none", "diagnostics=none", f"outputs={folder}/outputs", *options.set]
    values = ["--root", str(pictures.parent), "--size", str(size), "--width", str(width), "--batch", str(batch)]
    theirs = [sys.executable, str(ROOT / "benchmarks/tutorial.py"), *values, "--epochs", epochs]
    rounds = iter(range(1000))

    def ours() -> None:
        number = next(rounds)  # a pack of its own each time: packing is part of it
        call([sys.executable, str(ROOT / "src/train.py"), *typed, f"packs={folder}/packs{number}", f"run=r{number}"])

    routes = {"tutorial": lambda: call([*theirs, "--output", str(folder)]), "ganlab": ours}
    times = take_turns(routes, options.rounds, warm_up=False)
    ratio = times["tutorial"].median / times["ganlab"].median
    spread = ", ".join(f"{name} {each.spread:.0%}" for name, each in times.items())
    text = f"whole processes, {images:,} images, {size}x{size} width {width} batch {batch}: {ratio:.2f} x the tutorial"
    text += f" (half the range of each: {spread})"
    if options.absolute or torch.cuda.is_available():
        text += f"; {times['ganlab'].median:.1f} s and {times['tutorial'].median:.1f} s"
    return text


def write_pictures(folder: Path, count: int, size: int) -> None:
    """Write smooth pictures as JPEGs of half as much again as ``size``."""
    folder.mkdir(parents=True)
    rng, side = np.random.default_rng(0), size * 3 // 2
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:06d}.jpg", quality=90)


def call(command: list[str]) -> None:
    """Run a command; its output is shown where it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def cases(options: argparse.Namespace) -> Iterator[tuple[int, int, int]]:
    """List sizes, widths and batch sizes, all with all."""
    return ((size, width, batch) for size in options.sizes for width in options.widths for batch in options.batches)


def main() -> None:
    """Compare every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--widths", type=int, nargs="+", default=[32])
    parser.add_argument("--batches", type=int, nargs="+", default=[64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the configuration")
    parser.add_argument("--whole", type=int, metavar="IMAGES", help="time whole processes instead")
    parser.add_argument("--absolute", action="store_true", help="print speeds also for a CPU")
    options = parser.parse_args()
    silence_lightning()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {Machine.here()}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for case in cases(options):
            route = compare_whole if options.whole else compare
            print(route(*case, options, Path(name)), flush=True)


if __name__ == "__main__":
    main()
