"""Data speed: packing, loading and memory beside what people use instead; every figure is a ratio within one run.

    python benchmarks/data_speed.py                             on 2,000 made-up photographs
    python benchmarks/data_speed.py --pictures DIR --rounds 5   on JPEG and WebP files made from your own

Files of 256 pixels (short side) are written once as JPEG and as WebP, quality 90, and as LSUN's LMDB of WebP records.

- packing: records/s of ``build`` against PIL decode + torchvision's Resize and CenterCrop to 64 in a plain loop, one
  process each, at the same kernel (bilinear) and at this project's default (lanczos); two processes against one; and
  ``decode=fast`` against ``exact``, with its error in grey levels;
- loading: batches/s out of the pack against torchvision's LSUN with transforms and a DataLoader of two workers; and the
  share of a training step that the next batch takes (64x64, width 64, batch 64);
- memory: peak of prepare.py, its processes summed, without pages of files, when ten times the records are packed.
"""

import argparse
import contextlib
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

# Torch is imported where it is used: the processes that pack import this file again.
from ganlab.data.packs import record_reader  # noqa: E402
from ganlab.data.packs.pack import Pack, build  # noqa: E402
from ganlab.data.packs.pictures import PictureProtocol  # noqa: E402
from ganlab.data.packs.source import Source  # noqa: E402
from ganlab.data.sources.folder import Folder  # noqa: E402
from ganlab.data.sources.lsun import LSUN  # noqa: E402

SIZE, SHORT, BATCH = 64, 256, 64
MANY = 4  # times that every file is packed where processes are compared, so that their start weighs little


def photographs(folder: Path | None, count: int) -> Iterator[Image.Image]:
    """Yield pictures of 256 pixels: a person's own, again and again, or smooth noise at several scales with grain."""
    source = None if folder is None else Folder(str(folder))
    rng = np.random.default_rng(0)
    for number in range(count):
        if source is not None:
            record = source.read(number % len(source))["images"]
            picture = Image.open(record.file).convert("RGB")
            scale = SHORT / min(picture.size)
            yield picture.resize(
                (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
            )
            continue
        total = np.zeros((SHORT, 341, 3))
        for side in (4, 16, 64):
            coarse = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
            total += np.asarray(coarse.resize((341, SHORT), Image.Resampling.BICUBIC)) / 3
        yield Image.fromarray(np.clip(total + rng.normal(0, 4, total.shape), 0, 255).astype(np.uint8))


def write_files(pictures: Iterator[Image.Image], folder: Path) -> int:
    """Write every picture as JPEG, as WebP and as a WebP record; returns how many."""
    for kind in ("jpeg", "webp"):
        (folder / kind).mkdir()
        (folder / f"{kind}-many").mkdir()
    count = 0
    with lmdb.open(str(folder / "bedroom_train_lmdb"), map_size=2**34) as environment:
        for picture in pictures:
            picture.save(folder / "jpeg" / f"{count:06d}.jpg", quality=90)
            webp = io.BytesIO()
            picture.save(webp, "WEBP", quality=90)
            (folder / "webp" / f"{count:06d}.webp").write_bytes(webp.getvalue())
            with environment.begin(write=True) as writer:
                writer.put(f"{count * 2654435761 % 2**32:040x}".encode(), webp.getvalue())
            count += 1
    for kind in ("jpeg", "webp"):
        for file in (folder / kind).iterdir():
            for again in range(MANY):
                (folder / f"{kind}-many" / f"{again}-{file.name}").hardlink_to(file)
    usual = folder / "usual" / "bedroom_train_lmdb"  # LMDB opens a file once in a process
    usual.mkdir(parents=True)
    shutil.copyfile(folder / "bedroom_train_lmdb" / "data.mdb", usual / "data.mdb")
    return count


def compare(routes: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each route; rounds alternate between them, the first is dropped."""
    seconds: dict[str, list[float]] = {name: [] for name in routes}
    for _ in range(rounds + 1):
        for name, route in routes.items():
            began = time.perf_counter()
            route()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def pack(source: Source, protocol: PictureProtocol, workers: int) -> Pack:
    """Make a pack anew."""
    with tempfile.TemporaryDirectory() as packs:
        return build(source, protocol, Path(packs), workers=workers)


def plain_route(files: list[Path]) -> None:
    """Decode, resize and crop as people do with torchvision."""
    from torchvision.transforms import v2

    change = v2.Compose([v2.Resize(SIZE), v2.CenterCrop(SIZE)])
    out = np.empty((len(files), SIZE, SIZE, 3), np.uint8)
    for row, file in zip(out, files, strict=True):
        row[:] = np.asarray(change(Image.open(file).convert("RGB")))


def packing(folder: Path, rounds: int) -> None:
    """Print the ratios of packing."""
    for kind in ("jpeg", "webp"):
        source = Folder(str(folder / kind))
        files = [source.root / name for name in source.files]
        seconds = compare(
            {
                "torchvision": lambda files=files: plain_route(files),
                "bilinear": lambda source=source: pack(source, PictureProtocol(SIZE, 3, "bilinear"), 0),
                "lanczos": lambda source=source: pack(source, PictureProtocol(SIZE, 3), 0),
                "fast": lambda source=source: pack(source, PictureProtocol(SIZE, 3, decode="fast"), 0),
            },
            rounds,
        )
        same, default = (seconds["torchvision"] / seconds[kernel] for kernel in ("bilinear", "lanczos"))
        print(f"packing {kind}: {same:.2f} x torchvision's speed with the same kernel, {default:.2f} with lanczos")
        print(f"packing {kind}: decode=fast {seconds['lanczos'] / seconds['fast']:.2f} x exact")
        many = Folder(str(folder / f"{kind}-many"))
        seconds = compare(
            {
                "one": lambda many=many: pack(many, PictureProtocol(SIZE, 3), 1),
                "two": lambda many=many: pack(many, PictureProtocol(SIZE, 3), 2),
            },
            rounds,
        )
        print(f"packing {kind}: two processes {seconds['one'] / seconds['two']:.2f} x one ({len(many)})", flush=True)
    source = Folder(str(folder / "jpeg"))
    errors = [
        np.abs(
            PictureProtocol(SIZE, 3, decode="fast").prepare(source.read(index)["images"]).astype(int)
            - PictureProtocol(SIZE, 3).prepare(source.read(index)["images"])
        ).mean()
        for index in range(0, len(source), 10)
    ]
    print(
        f"decode=fast errs by {np.mean(errors):.2f} of 255 grey levels on average ({max(errors):.2f} at most a picture)"
    )


def loading(folder: Path, rounds: int) -> None:
    """Print the ratio of loading, and its share of a training step."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets
    from torchvision.transforms import v2

    from ganlab.data.batches import Batches, BatchTransform, Stream
    from ganlab.data.packs.order import EndlessOrder

    lsun = LSUN(str(folder), ["bedroom"], "train", download=False)
    change = v2.Compose(
        [
            v2.Resize(SIZE),
            v2.CenterCrop(SIZE),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    with contextlib.chdir(folder):  # it writes a list of keys to wherever it is
        usual = datasets.LSUN(str(folder / "usual"), classes=["bedroom_train"], transform=change)
    loader = DataLoader(usual, batch_size=BATCH, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)
    with tempfile.TemporaryDirectory() as packs:
        made = build(lsun, PictureProtocol(SIZE, 3), Path(packs))
        stream = Stream({"images": made.images}, EndlessOrder(len(made), 0))
        batches = iter(
            Batches(
                [stream],
                BatchTransform(0, [["images"]], [SIZE], SIZE, flip=False, inputs="none"),
                batch_size_at=lambda _: BATCH,
                images_seen=lambda: 0,
            )
        )
        count = len(loader)

        def ours() -> None:
            for batch in islice(batches, 20 * count):  # as floats in [-1, 1], as the other route ends
                _ = batch["images"].permute(0, 3, 1, 2).float() / 127.5 - 1

        def theirs() -> None:
            for _ in loader:
                pass

        seconds = compare({"torchvision": theirs, "pack": ours}, rounds)
        print(f"loading: {seconds['torchvision'] / (seconds['pack'] / 20):.0f} x torchvision's LSUN with two workers")
        step = training_step()
        wait = compare({"next": lambda: [next(batches) for _ in range(50)]}, rounds)["next"] / 50
        print(f"loading takes {wait / step:.2%} of a training step at {SIZE}x{SIZE}, width 64, batch {BATCH}")


def training_step() -> float:
    """Return the seconds of one step of both players."""
    import torch

    from ganlab.networks.dcgan import Discriminator, Generator

    generator, discriminator = Generator(SIZE, width=64), Discriminator(SIZE, width=64)
    adam = [torch.optim.Adam(network.parameters(), 2e-4) for network in (generator, discriminator)]
    reals = torch.rand(BATCH, 3, SIZE, SIZE) * 2 - 1

    def step() -> None:
        fakes = generator(torch.rand(BATCH, 100) * 2 - 1)
        loss = torch.nn.functional.softplus
        (loss(-discriminator(reals)).mean() + loss(discriminator(fakes.detach())).mean()).backward()
        adam[1].step()
        adam[1].zero_grad()
        loss(-discriminator(fakes)).mean().backward()
        adam[0].step()
        adam[0].zero_grad()

    return compare({"step": step}, 3)["step"]


def memory(folder: Path) -> None:
    """Print by how much ten times the records raise the peak of memory."""
    peaks = []
    records = [file.read_bytes() for file in sorted((folder / "webp").iterdir())[:500]]
    for count in (record_reader.FEW_RECORDS, 10 * record_reader.FEW_RECORDS):
        root = folder / f"memory{count}"
        root.mkdir()
        with lmdb.open(str(root / "church_outdoor_train_lmdb"), map_size=2**36) as environment:
            for start in range(0, count, 500):
                with environment.begin(write=True) as writer:
                    for number in range(start, start + 500):
                        writer.put(f"{number * 2654435761 % 2**32:040x}".encode(), records[number % len(records)])
        values = ["data=lsun", "data.classes=[church_outdoor]", f"data.root={root}", f"packs={root}", "data.workers=2"]
        command = [sys.executable, str(ROOT / "src" / "prepare.py"), *values]
        peaks.append(peak(subprocess.Popen(command, stdout=subprocess.DEVNULL)))
    change = peaks[1] / peaks[0] - 1
    print(f"memory: ten times the records change the peak by {change:+.1%} ({peaks[0]:.0f} to {peaks[1]:.0f} MB)")


def peak(process: subprocess.Popen[bytes]) -> float:
    """Return the most memory of a process and its descendants, without pages of files, until it ends, in MB."""
    largest = 0.0
    while process.poll() is None:
        pids, total = [str(process.pid)], 0
        while pids:
            folder = Path("/proc", pids.pop())
            try:
                for line in (folder / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss_Anon:"):
                        total += int(line.split()[1])
                pids += (folder / "task" / folder.name / "children").read_text().split()
            except OSError:
                continue
        largest = max(largest, total / 1024)
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit("packing failed")
    return largest


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=["packing", "loading", "memory"])
    options = parser.parse_args()
    record_reader.FEW_RECORDS = min(
        record_reader.FEW_RECORDS, options.count
    )  # the few of a benchmark are to start processes, too
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_files(photographs(options.pictures, options.count), folder)
        print(f"{count} pictures of {SHORT} px, {record_reader.cores()} cores")
        if "packing" in options.parts:
            packing(folder, options.rounds)
        if "loading" in options.parts:
            loading(folder, options.rounds)
        if "memory" in options.parts:
            memory(folder)


if __name__ == "__main__":
    main()
