"""All checkpoints of a run, or of a sweep's runs."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganlab.evaluation.result import EvaluationResult
from ganlab.runs.folder import RunFolder
from ganlab.runs.leaderboard import Row, log_to_wandb

OPTIONS = ("metrics=[fid,kid]", "count=64", "batch_size=32")


def test_a_run_becomes_a_curve(command: Callable, smoke: Path, tmp_path: Path) -> None:
    outcome = command("evaluate", f"checkpoint={smoke}", f"output={tmp_path}/all.json", *OPTIONS)
    assert outcome.code == 0, outcome.err
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["run", "checkpoint", "images_seen", "fid_digits", "kid_digits"]
    seen = [int(row["images_seen"]) for row in rows]
    assert seen == sorted(set(seen)) and {128, 256} <= set(seen)  # best.ckpt is one of the others
    record = json.loads((tmp_path / "all.json").read_text())["checkpoints"]
    assert [one["images_seen"] for one in record] == seen
    assert record[-1]["metrics"]["fid"]["value"] == pytest.approx(float(rows[-1]["fid_digits"]), rel=1e-6)
    assert record[-1]["metrics"]["fid"]["protocol"]["fake"] == 64
    with Image.open(tmp_path / "all.png") as picture:
        assert picture.size == (840, 260)
    assert "fid_digits" in outcome.out and "all.csv" in outcome.out


def test_a_sweep_is_ranked_and_damage_passed_over(command: Callable, smoke: Path, tmp_path: Path) -> None:
    for name in ("0", "10"):
        (tmp_path / "sweep" / name / "checkpoints").mkdir(parents=True)
        shutil.copy(smoke / "checkpoints" / "last.ckpt", tmp_path / "sweep" / name / "checkpoints")
    (tmp_path / "sweep" / "10" / "checkpoints" / "best.ckpt").write_bytes(b"damaged")
    outcome = command("evaluate", f"checkpoint={tmp_path}/sweep", *OPTIONS, "repeats=2")
    assert outcome.code == 0, outcome.err
    assert "warning: " in outcome.err and "cannot be read as a checkpoint" in outcome.err
    with (tmp_path / "sweep" / "evaluation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["images_seen"]) for row in rows] == [("0", "256"), ("10", "256")]
    assert rows[0]["fid_digits"] == rows[1]["fid_digits"] and float(rows[0]["fid_digits_spread"]) > 0
    with Image.open(tmp_path / "sweep" / "evaluation.png") as picture:
        assert picture.size == (840, 310)  # two panels, and a legend of two runs


def test_a_run_that_has_a_page_gets_its_curves_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Page:
        def __init__(self, *arguments: Any, **named: Any) -> None:
            calls.append((*arguments, named))

        def log_metrics(self, values: dict[str, float]) -> None:
            calls.append(values)

        def place(self) -> str:
            return ""

        def finish(self) -> None:
            calls.append("finish")

    run = RunFolder(tmp_path)
    monkeypatch.setattr("ganlab.runs.leaderboard.WandbPage", Page)
    monkeypatch.setattr("ganlab.runs.leaderboard.Tracker", lambda page: page)
    rows = [Row("run", tmp_path / "last.ckpt", 128, EvaluationResult({"fid_digits": 12.5}, {}, {}, {}))]
    trained = {"logger": {"wandb": {"project": "p", "entity": None}}}
    log_to_wandb(run, trained, rows)  # it has never been there
    run.environment.write_text(json.dumps([{"run_id": "abc12345"}]))
    log_to_wandb(run, {"logger": {}}, rows)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    log_to_wandb(run, trained, rows)
    assert calls == []
    monkeypatch.setenv("WANDB_MODE", "offline")
    log_to_wandb(run, trained, rows)
    axes = {"axis": "evaluation/images_seen", "metrics": "evaluation/*"}
    assert calls == [
        (tmp_path, "abc12345", {"project": "p", "entity": None}, {}, axes),
        {"evaluation/images_seen": 128, "evaluation/fid_digits": 12.5},
        "finish",
    ]


def test_folders_without_checkpoints_are_told(command: Callable, tmp_path: Path) -> None:
    outcome = command("evaluate", f"checkpoint={tmp_path}", *OPTIONS)
    assert outcome.code == 1 and "holds no checkpoints: give a .ckpt file" in outcome.err
