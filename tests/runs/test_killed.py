"""Runs that are killed or stopped at random moments and started again end as if nothing had happened.

A moment is a file operation of the run or a time: ``name:count:pause`` is so many seconds after the count-th operation
on a file whose path holds the name, or after the start for count 0.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from equality import equal
from ganlab.runs.metrics import read_log
from ganlab.systems.checkpoint import read

TESTS = Path(__file__).parents[1]
TRAIN, FAMILY = TESTS.parent / "src" / "train.py", TESTS / "systems" / "family_runs.py"
HOOK = """
import os, runpy, signal, sys, threading
number, moment, folder, *sys.argv = sys.argv[1:]
name, count, pause = moment.split(":")
count = int(count)
signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore it

def strike():
    if float(pause):
        timer = threading.Timer(float(pause), os.kill, (os.getpid(), int(number)))
        timer.daemon = True
        timer.start()
    else:
        os.kill(os.getpid(), int(number))

def watch(event, arguments):
    global count
    if event not in ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate"):
        return
    path = str(arguments[0])
    if path.startswith(folder) and name in path and (event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR)):
        count -= 1
        if count == 0:
            strike()

if count:
    sys.addaudithook(watch)
elif float(pause):
    strike()
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NEVER = ":0:0"

LENGTH = 1504  # in images; the last checkpoint is none of those that are saved every so often
RUN = ("debug=smoke", "logger=none", "metrics=[swd]", "metrics.count=64", "trainer.precision=32-true")
RUN = (*RUN, f"max_images={LENGTH}", "every.checkpoint=64", "every.metrics=512", "every.samples=512", "every.keep=512")
TWO = ("trainer.devices=2", "trainer.accelerator=cpu")
DRAWN = ("data.count=160", "data.image_size=32", "data.batch_size=8")
CYCLES = ("experiment=cyclegan", "data=day_night", *DRAWN, "architecture.width=2", "architecture.generator.blocks=1")
RECIPES: dict[str, tuple[str, ...]] = {
    "sequential": ("update.d_steps=2", "update.fresh=true", "system.replay=100"),
    "alternating": ("update=alternating", "update.g_steps=2", "accumulate=2", "schedule=cosine", "schedule.until=1000"),
    "simultaneous": ("update=simultaneous", "augment=adaptive", "augment.adaptive.speed=2000", "objective=hinge"),
    "generator_first": ("update=generator_first", "penalty=lecam", "ema.half_life=500", "accumulate=2"),
    "in_turn": ("update=in_turn", "objective=relativistic_average", "regularizer=orthogonal"),
    "repeated": ("update=repeated", "update.d_steps=2", "architecture=sndcgan", "data.image_size=32"),
    "joint": ("system.joint=true", "penalty=gradient_penalty", "objective=wasserstein", "optimizer=rmsprop"),
    "conditional": ("architecture=dcgan_conditional", "architecture.hidden_units=8", "data.image_size=16"),
    "pix2pix": ("experiment=pix2pix", "data=day_night_pairs", *DRAWN, "architecture.width=2"),
    "cyclegan": (*CYCLES, "system.replay=20"),
    "context_encoder": (
        "experiment=context_encoder",
        "data=scenes",
        *DRAWN,
        "architecture.generator.bottleneck_units=8",
        "metrics.best=swd",
    ),
    "two cyclegan": (*TWO, *CYCLES, "update=in_turn", "update.players=[a_to_b,d_b,b_to_a,d_a]"),
    "two sequential": (*TWO, "update.d_steps=2", "system.replay=100", "accumulate=2"),
    "two alternating": (*TWO, "update=alternating", "augment=adaptive", "augment.adaptive.speed=2000"),
    "two simultaneous": (*TWO, "update=simultaneous", "penalty=lecam", "augment=diffaugment"),
}
FAMILIES = {
    f"{count} {name}": (count, name)
    for name in ("pix2pix", "cycle_of_two", "cycle_of_four", "growing")
    for count in (1, 2)
}


class Trial:
    """One command, given until it has finished, and once without being disturbed."""

    def __init__(self, folder: Path, packs: Path, name: str) -> None:
        self.folder, self.packs, self.name = folder, packs, name

    def start(self, run: str, number: int = signal.SIGKILL, moment: str = NEVER) -> subprocess.Popen:
        folder = self.folder / run
        if self.name in RECIPES:
            command = [TRAIN, *RUN, *RECIPES[self.name], f"outputs={self.folder}", f"packs={self.packs}", f"run={run}"]
        else:
            processes, family = FAMILIES[self.name]
            command = [FAMILY, processes, folder, family, 400]
        hooked = [str(part) for part in (sys.executable, "-c", HOOK, int(number), moment, folder, *command)]
        environment = os.environ | {"PYTHONPATH": str(TESTS.parent / "src")}
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(hooked, **streams, text=True, env=environment)

    def strike(self, number: int, moment: str) -> tuple[int, str]:
        """Start the run, with a signal to it at some moment; return its exit code and what it wrote."""
        process = self.start("struck", number, moment)
        errors = process.communicate(timeout=120)[1]  # of all processes that it started, too
        return process.returncode, errors

    def kill(self, *moments: str) -> None:
        for moment in moments:
            code, errors = self.strike(signal.SIGKILL, moment)
            assert code == -signal.SIGKILL, (moment, errors)

    def kill_other_rank(self) -> None:
        """Kill the second process once the run has saved: the first ends, too."""
        process, began, last = self.start("struck"), time.time(), self.folder / "struck" / "checkpoints" / "last.ckpt"
        while not (last.exists() and last.stat().st_mtime > began) and process.poll() is None:
            time.sleep(0.02)
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
        os.kill(int(listed.stdout), signal.SIGKILL)
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 1 and errors.count("error: ") == 1 and "Traceback" not in errors, errors

    def finish(self) -> None:
        """Let the run finish, and compare it with one that was left alone."""
        for process in [self.start(run) for run in ("struck", "whole")]:
            errors = process.communicate(timeout=240)[1]
            assert process.returncode == 0, errors
        same_training(self.folder / "struck", self.folder / "whole")


def logged(run: Path) -> str:
    """What was logged at each moment; the last one may be measured once more, with the same result."""
    rows: dict[int, dict[str, Any]] = {}
    for entry in read_log(run / "metrics.jsonl"):
        before = rows.setdefault(entry["images_seen"], {})
        entry["images/s"] = 0
        assert repr({key: before.get(key, value) for key, value in entry.items()}) == repr(entry)
        before |= entry
    return repr(rows)  # NaN equals NaN


def same_training(one: Path, other: Path) -> None:
    """All checkpoints, pictures and what was logged but for the speed, bit for bit."""
    names = {path.name for path in (other / "checkpoints").iterdir()}
    assert names == {path.name for path in (one / "checkpoints").iterdir()} and "last.ckpt" in names
    for name in sorted(names - {"previous.ckpt"}):  # which depends on the time of the saves
        mine, theirs = (read(run / "checkpoints" / name) for run in (one, other))
        for part in ("images_seen", "state_dict", "optimizer_states", "callbacks"):
            assert equal(mine[part], theirs[part]), (name, part)
    assert logged(one) == logged(other)
    pictures = sorted(path.name for path in (one / "samples").iterdir())
    assert pictures == sorted(path.name for path in (other / "samples").iterdir())
    assert all((one / "samples" / p).read_bytes() == (other / "samples" / p).read_bytes() for p in pictures)


@pytest.fixture
def trial(tmp_path: Path, packs: Path, request: pytest.FixtureRequest) -> Trial:
    return Trial(tmp_path, packs, getattr(request, "param", "sequential"))


def test_a_killed_run_continues_as_if_nothing_had_happened(trial: Trial) -> None:
    trial.kill("last.ckpt:12:0.01", "/.summary.json:3:0")  # while training; and once the summary lies in its place
    trial.finish()


@pytest.mark.soak
@pytest.mark.parametrize("trial", [*RECIPES, *FAMILIES], indirect=True)
def test_any_run_killed_at_any_moment_continues_as_if_nothing_had_happened(trial: Trial) -> None:
    rng = random.Random(trial.name)
    trial.kill(f":0:{rng.uniform(0.1, 6):.2f}")  # imports, packs, first steps
    trial.kill(*(f":{rng.randrange(1, 40)}:{rng.choice([0, rng.uniform(0, 0.2)]):.3f}" for _ in range(3)))
    if "two" in trial.name.split():
        trial.kill_other_rank()
    trial.finish()


PLACES = ["config.yaml", "environment.json", "metrics.jsonl", "metrics.csv", "last.ckpt", "previous.ckpt", "best.ckpt"]
PLACES += ["images_000000512.ckpt", "images_000000512.png", "images_000001504.png", "summary.json"]


@pytest.mark.soak
@pytest.mark.parametrize("trial", ["alternating", "two sequential"], indirect=True)
def test_a_run_killed_around_each_of_its_files_continues_as_if_nothing_had_happened(trial: Trial) -> None:
    rng = random.Random(trial.name)
    for place in PLACES:  # in the order of a run; each start meets those that are still to be written
        code, errors = trial.strike(signal.SIGKILL, f"{place}:{rng.randrange(1, 4)}:0")
        assert code in (0, -signal.SIGKILL), errors
    trial.finish()


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@pytest.mark.soak
@pytest.mark.parametrize("trial", ["generator_first", "two simultaneous"], indirect=True)
def test_a_run_stopped_at_any_moment_continues_as_if_nothing_had_happened(trial: Trial) -> None:
    rng = random.Random(trial.name)
    for number in (*SIGNALS, *SIGNALS):
        code, errors = trial.strike(number, f":{rng.randrange(1, 30)}:{rng.choice([0, rng.uniform(0, 0.2)]):.3f}")
        assert code == (130 if number == signal.SIGINT else 128 + number) and "Traceback" not in errors, errors
    trial.finish()
