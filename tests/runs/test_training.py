import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from equality import equal
from ganlab.runs.metrics import read_log
from ganlab.systems.checkpoint import read

SRC = Path(__file__).parents[2] / "src"
SMALL = ("debug=smoke", "logger=none", "metrics=[fid,swd]", "metrics.count=64")


def rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_it_promises(smoke: Path) -> None:
    files = sorted(str(path.relative_to(smoke)) for path in smoke.rglob("*") if path.is_file())
    assert files == [
        "checkpoints/best.ckpt", "checkpoints/last.ckpt", "checkpoints/previous.ckpt", "config.yaml", "console.txt",
        "environment.json", "metrics.csv", "metrics.jsonl", "samples/images_000000000.png",
        "samples/images_000000128.png", "samples/images_000000256.png", "samples/reals.png", "summary.json",
        "train.log",
    ]  # fmt: skip
    table = rows(smoke)
    assert next(iter(table[0])) == "images_seen"
    assert [row["images_seen"] for row in table] == ["0", "64", "128", "192", "256"]
    assert [row["steps/generator"] for row in table] == ["0", "2", "4", "6", "8"]
    assert [bool(row["fid_digits"] and row["swd"]) for row in table] == [True, False, True, False, True]
    assert all(float(row["loss/discriminator"]) > 0 for row in table[1:])
    assert yaml.safe_load((smoke / "config.yaml").read_text())["optimizer"]["generator"]["lr"] == 1e-3
    start = json.loads((smoke / "environment.json").read_text())[0]
    assert torch.__version__.startswith(start["versions"]["torch"]) and "debug=smoke" in start["overrides"]
    summary = json.loads((smoke / "summary.json").read_text())
    assert summary["status"] == "finished" and summary["images_seen"] == 256
    assert summary["score"]["name"] == "fid_digits"
    assert summary["protocol"]["fid_digits"]["fake"] == 128
    console = (smoke / "console.txt").read_text()
    lines = (smoke / "train.log").read_text().splitlines()
    assert [line for line in lines if " images/s: " not in line] == console.splitlines() and len(lines) > 8
    assert "samples/images_000000256.png" in console and "src/sample.py checkpoint=" in console


def test_the_best_checkpoint_is_the_one_with_the_lowest_score(smoke: Path) -> None:
    summary = json.loads((smoke / "summary.json").read_text())
    scores = {int(r["images_seen"]): float(r["fid_digits"]) for r in rows(smoke) if r["fid_digits"]}
    del scores[0]  # the untrained generator's
    best = min(scores, key=scores.__getitem__)
    assert read(smoke / "checkpoints/best.ckpt")["images_seen"] == best == summary["score"]["images_seen"]


def test_a_finished_run_says_so(command: Callable, smoke: Path) -> None:
    before = (smoke / "checkpoints/last.ckpt").stat().st_mtime_ns
    outcome = command("train", "debug=smoke", "logger=none", f"outputs={smoke.parent}", "run=smoke")
    assert outcome.code == 0 and "is finished" in outcome.out
    assert (smoke / "checkpoints/last.ckpt").stat().st_mtime_ns == before


@pytest.mark.parametrize("rule", ["sequential", "alternating"])
def test_continuing_is_exact_also_from_the_middle_of_an_epoch(command: Callable, tmp_path: Path, rule: str) -> None:
    options = (*SMALL, f"outputs={tmp_path}", f"update={rule}", "max_images=1920", "every.metrics=1920")
    options = (*options, "every.samples=960", "data.batch_size=64", "accumulate=2")
    assert command("train", *options, "run=whole").code == 0
    assert command("train", *options, "max_images=960", "run=parts", "every.log=64").code == 0
    # The shorter run ended with a measurement of its own: a killed one would not have made it.
    outcome = command("train", *options, "run=parts", "every.log=64")
    assert outcome.code == 0 and "parts/checkpoints/last.ckpt" in outcome.out
    mine, theirs = (read(tmp_path / name / "checkpoints/last.ckpt") for name in ("whole", "parts"))
    assert mine["images_seen"] == theirs["images_seen"] == 1920  # the digits' second epoch began at 1,797
    assert equal(mine["state_dict"], theirs["state_dict"])
    assert equal(mine["optimizer_states"], theirs["optimizer_states"])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 128 + signal.SIGUSR1)]
)
def test_a_signal_saves_between_two_minibatches(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    from ganlab.systems.gan import GAN

    step_phase = GAN.step_phase

    def interrupting(self: GAN, *args: Any) -> Any:
        if self.clock.steps == {"discriminator": 4, "generator": 3}:  # within the fourth minibatch
            os.kill(os.getpid(), number)
        return step_phase(self, *args)

    monkeypatch.setattr(GAN, "step_phase", interrupting)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    outcome = command("train", *SMALL, "metrics=none", f"outputs={tmp_path}", "run=stopped")
    assert outcome.code == code
    assert "run=stopped" in outcome.err
    assert [row["images_seen"] for row in rows(tmp_path / "stopped")] == ["0", "64", "128"]
    checkpoint = read(tmp_path / "stopped/checkpoints/last.ckpt")
    assert checkpoint["images_seen"] == 128
    assert checkpoint["state_dict"]["clock._extra_state"]["steps"] == {"discriminator": 4, "generator": 4}
    signal.signal(signal.SIGINT, before)


def test_checkpoints_that_lightning_wrote_for_slurm_are_not_read(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"NTASKS": 1, "PROCID": 0, "LOCALID": 0, "NODEID": 0, "JOB_ID": 9, "JOB_NAME": "gan"}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    for folder in (tmp_path, tmp_path / "runs", tmp_path / "runs/new", tmp_path / "runs/new/checkpoints"):
        folder.mkdir(exist_ok=True)
        (folder / "hpc_ckpt_3.ckpt").write_bytes(b"of another run")
    outcome = command("train", *SMALL, "metrics=none", "max_images=32", f"outputs={tmp_path}/runs", "run=new")
    assert outcome.code == 0, outcome.err
    assert read(tmp_path / "runs/new/checkpoints/last.ckpt")["images_seen"] == 32


SLOW = """
import runpy, sys, time
from ganlab.systems.checkpoint import WholeCheckpointIO
write = WholeCheckpointIO.write
WholeCheckpointIO.write = lambda self, *args: (time.sleep(2), write(self, *args))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_two_processes_wait_for_the_last_checkpoint_whatever_they_receive(tmp_path: Path, gone: Callable) -> None:
    options = (*SMALL, "metrics=none", f"outputs={tmp_path}", f"packs={tmp_path}/packs", "run=two", "every.log=64")
    options = (*options, "trainer.devices=2", "trainer.accelerator=cpu", "max_images=1000000")
    command = [sys.executable, "-c", SLOW, str(SRC / "train.py"), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while _logged(tmp_path / "two") < 128 and process.poll() is None:
        time.sleep(0.05)
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True).stdout
    children = [int(pid) for pid in listed.split()]
    for pid in (*children, process.pid, process.pid, *children):
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.1)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 143, errors
    assert "interrupted by SIGTERM" in errors and "Traceback" not in errors and "gloo" not in errors
    assert read(tmp_path / "two/checkpoints/last.ckpt")["images_seen"] >= 128
    assert len(children) == 1 and gone(*children)


def _logged(run: Path) -> int:
    try:
        return read_log(run / "metrics.jsonl")[-1]["images_seen"]
    except (OSError, IndexError):
        return -1


def test_kept_checkpoints_make_a_curve_and_are_never_taken_for_the_newest(command: Callable, tmp_path: Path) -> None:
    options, folder = (*SMALL, f"outputs={tmp_path}", "metrics=none", "run=kept"), tmp_path / "kept/checkpoints"
    assert command("train", *options, "every.keep=96", "max_images=224").code == 0  # in minibatches of 32

    def kept() -> list[str]:
        return sorted(path.name for path in folder.glob("images_*"))

    assert kept() == ["images_000000096.ckpt", "images_000000192.ckpt"]
    (folder / "last.ckpt").write_bytes(b"torn")
    (folder / "previous.ckpt").unlink()
    outcome = command("train", *options, "every.keep=96", "max_images=320")
    assert outcome.code == 1 and "can be read: start a new run" in outcome.err
    shutil.copy(folder / "images_000000192.ckpt", folder / "last.ckpt")  # what a kill had left between save and link
    (folder / "images_000000192.ckpt").unlink()
    outcome = command("train", *options, "every.keep=64", "max_images=320")  # another interval
    assert outcome.code == 0, outcome.err
    names = [f"images_000000{seen:03d}.ckpt" for seen in (96, 192, 256, 320)]
    assert kept() == names
    assert [read(folder / name)["images_seen"] for name in names] == [96, 192, 256, 320]
    outcome = command("evaluate", f"checkpoint={tmp_path}/kept", "metrics=swd", "count=32", "batch_size=32")
    assert outcome.code == 0, outcome.err
    with (tmp_path / "kept/evaluation.csv").open(newline="") as file:
        assert [row["checkpoint"] for row in csv.DictReader(file)] == names


def test_a_damaged_checkpoint_falls_back_to_the_one_before(command: Callable, tmp_path: Path) -> None:
    options = (*SMALL, f"outputs={tmp_path}", "metrics=none")
    assert command("train", *options, "run=whole").code == 0
    assert command("train", *options, "run=torn", "max_images=192").code == 0
    last = tmp_path / "torn/checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    outcome = command("train", *options, "run=torn")
    assert outcome.code == 0
    assert "last.ckpt cannot be read" in outcome.err and "previous.ckpt" in outcome.out
    assert equal(*(read(tmp_path / r / "checkpoints/last.ckpt")["state_dict"] for r in ("whole", "torn")))


def test_other_values_are_refused_but_a_longer_run_is_not(command: Callable, smoke: Path) -> None:
    options = ("debug=smoke", "logger=none", f"outputs={smoke.parent}", "run=smoke")
    outcome = command("train", *options, "optimizer.lr=5e-4", "max_images=512")
    assert outcome.code == 1
    assert "optimizer.discriminator.lr=0.001 (now 0.0005)" in outcome.err
    outcome = command("train", *options, "checkpoint=other.ckpt")
    assert outcome.code == 1 and "exists already" in outcome.err


def test_a_run_continues_on_the_same_pictures_wherever_they_lie_and_on_others_if_told_to(
    command: Callable, tmp_path: Path
) -> None:
    pictures = tmp_path / "at first"
    pictures.mkdir()
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number:02d}.png")

    def train(root: Path, length: int, *more: str) -> Any:
        small = (
            "debug=smoke",
            "logger=none",
            "metrics=none",
            "data=folder",
            "data.image_size=16",
            "architecture.width=4",
        )
        places = (f"data.root={root}", f"outputs={tmp_path}/runs", f"packs={tmp_path}/packs", "run=moved")
        return command("train", *small, *places, f"max_images={length}", *more)

    assert train(pictures, 64).code == 0
    moved = pictures.rename(tmp_path / "moved")
    for path in moved.iterdir():
        os.utime(path)
    assert train(moved, 128).code == 0
    last = tmp_path / "runs" / "moved" / "checkpoints" / "last.ckpt"
    (recorded,) = read(last)["ImageDataModule"]["packs"]
    assert recorded["pack"].startswith("folder-moved-16x3-") and recorded["arrays"]["images"]["shape"][0] == 40
    shutil.copy(moved / "00.png", moved / "07.png")
    (moved / "39.png").unlink()
    refused, before = train(moved, 192), last.read_bytes()
    found = "40 pictures then, 39 now; gone: 39.png; different: 07.png"
    assert refused.code == 1 and last.read_bytes() == before
    assert refused.err.splitlines()[-1] == (
        f"error: run {tmp_path}/runs/moved was trained on other pictures ({found}): set data.root to those, type "
        "data_changed=accept to go on with these, or another run= to start from scratch"
    )
    assert train(moved, 192, "data_changed=accept").code == 0
    assert read(last)["config"]["data_changed"] == "refuse" and train(moved, 256).code == 0


def test_a_run_that_recorded_no_pictures_continues_where_they_are(
    command: Callable, smoke: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(smoke, tmp_path / "old")
    for path in (run / "checkpoints").glob("*.ckpt"):
        state = read(path)
        del state["ImageDataModule"], state["config"]["data_changed"]
        torch.save(state, path)
    outcome = command("train", "debug=smoke", "logger=none", f"outputs={tmp_path}", "run=old", "max_images=320")
    assert outcome.code == 0, outcome.err
    assert read(run / "checkpoints" / "last.ckpt")["ImageDataModule"]["packs"][0]["names"] is None


def test_a_checkpoint_starts_a_new_run(command: Callable, smoke: Path, tmp_path: Path) -> None:
    given = smoke / "checkpoints/last.ckpt"
    options = (*SMALL, f"outputs={tmp_path}", f"checkpoint={given}")
    outcome = command("train", *options, "run=fork", "max_images=320", "optimizer.lr=5e-4")
    assert outcome.code == 0
    forked = read(tmp_path / "fork/checkpoints/last.ckpt")
    assert forked["images_seen"] == 320
    assert [group["lr"] for state in forked["optimizer_states"] for group in state["param_groups"]] == [5e-4] * 2
    assert [row["images_seen"] for row in rows(tmp_path / "fork")] == ["256", "320"]
    assert "is finished" in command("train", *options, "run=fork", "max_images=320", "optimizer.lr=5e-4").out
    assert "which count in the run's length" in command("train", *options, "run=short", "max_images=256").err
    outcome = command("train", *options, "run=wide", "max_images=320", "architecture.width=16")
    assert outcome.code == 1 and "was trained with another architecture: architecture." in outcome.err
    assert not (tmp_path / "wide").exists()


def test_weights_that_are_not_finite_stop_the_run_and_spoil_no_checkpoint(command: Callable, tmp_path: Path) -> None:
    options = ("debug=smoke", "logger=none", "metrics=none", f"outputs={tmp_path}", "run=wild")
    assert command("train", *options, "max_images=64").code == 0
    checkpoint = tmp_path / "wild/checkpoints/last.ckpt"
    state = read(checkpoint)
    for name in ("networks.generator.to_image.0.weight",):
        state["state_dict"][name].fill_(float("nan"))
    torch.save(state, checkpoint)
    outcome = command("train", *options)
    assert outcome.code == 1 and "holds numbers that are not finite, in networks.generator.to_image.0" in outcome.err
    assert read(checkpoint)["images_seen"] == 64


def test_a_score_of_ruined_weights_is_never_the_best(command: Callable, tmp_path: Path) -> None:
    options = ("every.metrics=64", "every.checkpoint=1000", "optimizer.lr=1e30", "max_images=128")
    outcome = command("train", *SMALL, *options, f"outputs={tmp_path}", "run=wild")
    assert outcome.code == 1 and "training diverged" in outcome.err
    assert list((tmp_path / "wild/checkpoints").iterdir()) == []


def test_bf16_trains_and_says_so(command: Callable, tmp_path: Path) -> None:
    options = (*SMALL, "metrics=none", "trainer.precision=bf16-mixed", "max_images=64", f"outputs={tmp_path}")
    outcome = command("train", *options, "run=bf16")
    assert outcome.code == 0 and "bf16-mixed" in outcome.out
    state = read(tmp_path / "bf16/checkpoints/last.ckpt")["state_dict"]
    assert state["networks.generator.to_image.0.weight"].dtype == torch.float32


def test_nothing_is_overwritten_where_all_checkpoints_are_damaged(command: Callable, tmp_path: Path) -> None:
    options = (*SMALL, f"outputs={tmp_path}", "metrics=none", "run=torn")
    assert command("train", *options, "max_images=192").code == 0
    for name in ("last", "previous"):
        (tmp_path / f"torn/checkpoints/{name}.ckpt").write_bytes(b"torn")
    outcome = command("train", *options)
    assert outcome.code == 1 and "no checkpoint in" in outcome.err
    assert (tmp_path / "torn/checkpoints/last.ckpt").read_bytes() == b"torn"


def test_two_processes_share_one_run_folder_and_one_pack(tmp_path: Path) -> None:
    options = (*SMALL, "logger=wandb", f"outputs={tmp_path}/runs", f"packs={tmp_path}/packs", "run=two")
    options = (*options, "trainer.devices=2", "trainer.accelerator=cpu", "max_images=128", "every.keep=64")
    done = subprocess.run(
        [sys.executable, SRC / "train.py", *options], capture_output=True, text=True, cwd=tmp_path, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["two"]
    assert len([path for path in (tmp_path / "packs").iterdir() if not path.name.startswith(".")]) == 1
    assert [row["images_seen"] for row in rows(tmp_path / "runs/two")] == ["0", "64", "128"]
    assert len(list((tmp_path / "runs/two/wandb").glob("offline-run-*"))) == 1
    assert done.stdout.count("finished ") == 1
    kept = sorted((tmp_path / "runs/two/checkpoints").glob("images_*"))
    assert [path.name for path in kept] == ["images_000000064.ckpt", "images_000000128.ckpt"]
    assert [read(path)["images_seen"] for path in kept] == [64, 128]


def test_wandb_and_tensorboard_get_numbers_and_pictures(command: Callable, tmp_path: Path) -> None:
    outcome = command("train", *SMALL, "logger=[wandb,tensorboard]", f"outputs={tmp_path}", "run=logged")
    assert outcome.code == 0
    assert "wandb sync" in outcome.out
    run = tmp_path / "logged"
    pictures = list(run.glob("wandb/offline-run-*/files/media/images/samples/*.png"))
    assert len(pictures) == 4
    events = b"".join(path.read_bytes() for path in (run / "tensorboard").glob("events.*"))
    assert b"fid_digits" in events and b"samples/images" in events
