from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ganlab.callbacks.metric_logger import MetricLogger
from ganlab.callbacks.progress import LARGER, Outlook, Progress


def test_the_line_tells_both_losses_speed_score_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganlab.callbacks.progress.time", SimpleNamespace(monotonic=lambda: 150.0))
    metric_logger = MetricLogger(100)
    metric_logger.latest = {
        "loss/discriminator": 1.0234,
        "loss/generator": 2.5,
        "discriminator/r1": 3.0,
        "images/s": 1.0,  # of the last interval, which an evaluation slowed down
    }
    evaluations = SimpleNamespace(evaluator=SimpleNamespace(score_name="fid_digits"), latest={"fid_digits": 4.21})
    progress = Progress(80_000, metric_logger, evaluations)  # type: ignore[arg-type]
    progress.started = (75.0, 5_000)  # continued at 5,000 images, 75 s ago
    assert (
        progress.line(20_000) == "20,000 of 80,000 images, 200 images/s, 5.0 min left: D 1.02, G 2.5, fid_digits 4.21"
    )
    assert progress.line(80_032).startswith("80,032 of 80,000 images, 1,000 images/s: D 1.02")  # none left
    endless = Progress(None, metric_logger, None)
    assert endless.line(30_000) == "30,000 images, 200 images/s: D 1.02, G 2.5"
    metric_logger.latest = {}  # of a run that ends before its first log
    assert endless.line(30_000) == "30,000 images, 200 images/s"


def test_off_a_terminal_the_last_line_is_the_last_state(capsys: pytest.CaptureFixture) -> None:
    metric_logger = MetricLogger(100)
    metric_logger.latest = {"loss/generator": 2.5}
    progress, trainer = Progress(96, metric_logger, None), SimpleNamespace(is_global_zero=True)
    clock = SimpleNamespace(images_seen=0, previous=0, crossed=lambda interval: False)
    system = SimpleNamespace(clock=clock)
    progress.on_train_start(trainer, system)  # type: ignore[arg-type]
    clock.images_seen = 100
    progress.on_train_batch_end(trainer, system)  # type: ignore[arg-type]
    progress.on_train_end(trainer, system)  # type: ignore[arg-type]
    progress.on_train_end(trainer, system)  # type: ignore[arg-type]
    line = capsys.readouterr().err
    assert line.startswith("100 of 96 images, ") and line.endswith(" images/s: G 2.5\n") and line.count("\n") == 1


def run_two_steps(outlook: Outlook, monkeypatch: pytest.MonkeyPatch, device: str, seconds: float) -> None:
    """Let the second step, of 128 images, take so many seconds."""
    now = iter((0.0, 60.0, 60.0 + seconds, 90.0))  # the starts of three steps, and the end of the second
    monkeypatch.setattr("ganlab.callbacks.progress.time", SimpleNamespace(monotonic=lambda: next(now)))
    trainer = SimpleNamespace(is_global_zero=True)
    system = SimpleNamespace(device=torch.device(device), clock=SimpleNamespace(previous=0, images_seen=128))
    outlook.on_train_start(trainer, system)  # type: ignore[arg-type]
    for number in range(3):
        outlook.on_train_batch_start(trainer, system, None, number)  # type: ignore[arg-type]
        outlook.on_train_batch_end(trainer, system, None, None, number)  # type: ignore[arg-type]
        system.clock.previous, system.clock.images_seen = system.clock.images_seen, system.clock.images_seen + 128


def test_hours_on_a_cpu_are_announced_after_the_second_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    command = "python src/train.py experiment=small data=lsun"
    run_two_steps(Outlook("lsun_bedrooms", 15_000_000 + 256, command), monkeypatch, "cpu", 4.0)
    assert capsys.readouterr().err == f"lsun_bedrooms will take about 130 hours on this CPU; in minutes: {command}\n"
    for outlook in (Outlook("paper", 10_000, command), Outlook("small", 10**9, command), Outlook("paper", None, "")):
        run_two_steps(outlook, monkeypatch, "cpu", 4.0)
    run_two_steps(Outlook("paper", 10**9, command), monkeypatch, "cuda", 4.0)
    assert capsys.readouterr().err == ""


def test_on_a_gpu_the_small_recipe_names_larger_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run_two_steps(Outlook("small", 85_000, ""), monkeypatch, "cuda", 0.01)
    assert capsys.readouterr().err.endswith(f"for this GPU: experiment={', '.join(LARGER)}\n")
    folder = Path(__file__).parents[2] / "conf/experiment"
    assert {*LARGER} <= {path.stem for path in folder.glob("*.yaml")}
