"""Start-up: how long help, the configuration and the first training step take, beside the imports that they wait for.

    python benchmarks/startup.py
    python benchmarks/startup.py --rounds 9 --logger wandb       with the default logger, recording offline
    python benchmarks/startup.py --all                           with all that the default command does first

``--help`` and ``--cfg job`` are compared with ``python -c "import torch"``; the first training step, of the default
network on packed digits, with importing torch, torchvision, lightning, torchmetrics and wandb, which is what the step
needs at most. It has been taken when its line stands in metrics.jsonl; metrics and diagnostics, which look at the
untrained network before, are switched off but with ``--all``. Whole processes take turns, and the first round, which
fills the system's file cache, is dropped.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from ganlab.runs.metrics import read_log
from rounds import take_turns

ROOT = Path(__file__).parents[1]
TRAIN = str(ROOT / "src/train.py")
LIBRARIES = "import torch, torchvision, lightning, torchmetrics, wandb"
ENVIRONMENT = os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}


def process(*arguments: str) -> Callable[[], None]:
    """Return a function that runs a Python process to its end."""

    def run() -> None:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=ENVIRONMENT)

    return run


def first_step(folder: Path, logger: str, everything: bool) -> Callable[[], float]:
    """Return a function that starts a training and returns the seconds until its first step was logged."""
    numbers = count()

    def run() -> float:
        name = f"run{next(numbers)}"
        log, typed = folder / name / "metrics.jsonl", [f"logger={logger}"]
        typed += [] if everything else ["metrics=none", "diagnostics=none"]
        typed += [f"outputs={folder}", f"packs={folder}/packs", f"run={name}", "every.log=1", "max_images=1024"]
        began = time.perf_counter()
        training = subprocess.Popen(
            [sys.executable, TRAIN, *typed], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT
        )
        while not stepped(log):
            if training.poll() is not None:
                raise SystemExit(training.communicate()[1].decode())
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        training.communicate()
        return seconds

    return run


def stepped(log: Path) -> bool:
    """Whether anything was logged after the first step."""
    return any(entry["images_seen"] for entry in read_log(log))


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--logger", choices=["none", "wandb"], default="none")
    parser.add_argument("--all", action="store_true", help="metrics and diagnostics of the untrained network before")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = take_turns(
            {
                "torch": process("-c", "import torch"),
                "help": process(TRAIN, "--help"),
                "configuration": process(TRAIN, "--cfg", "job"),
                "libraries": process("-c", LIBRARIES),
                "step": first_step(folder, options.logger, options.all),
            },
            options.rounds,
        )
    for what, beside in (("help", "torch"), ("configuration", "torch"), ("step", "libraries")):
        named = {"help": "--help", "configuration": "--cfg job", "step": "the first training step"}[what]
        against = {"torch": "importing torch", "libraries": "importing what it is built on"}[beside]
        ratio = times[what].median / times[beside].median
        print(
            f"{named}: {ratio:.2f} x {against} (half the range: {times[what].spread:.0%}, {times[beside].spread:.0%})"
        )


if __name__ == "__main__":
    main()
