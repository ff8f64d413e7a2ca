import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganlab.report.grids import save_grid
from ganlab.sweeps.job import is_whole
from ganlab.sweeps.table import read_settings, spread, write_report

FIELDS = ["status", "score_name", "score", "images_seen", "minutes", "folder", "reason"]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two settings with two seeds each; the last run diverged."""
    rows = [["job", "guideline", "seed", *FIELDS]]
    for number, (setting, seed) in enumerate([("paper", 0), ("paper", 1), ("sgd", 0), ("sgd", 1)]):
        run = tmp_path / f"{number:03d}"
        status, reason = ("failed", "training diverged: weights") if number == 3 else ("finished", "")
        rows.append([run.name, setting, str(seed), status, "swd", "1", "100", "1.0", str(run), reason])
        if setting == "sgd":
            run.mkdir()
            (run / "metrics.jsonl").write_text('{"images_seen": 50, "swd": 1.0, "alarm/mode_collapse": 1.0}\n')
        if number == 3:
            continue
        summary = {
            "score": {"name": "swd", "value": 10.0 + number, "images_seen": 50},
            "metrics": {"swd": 20.0 + number},
        }
        images = torch.full((64, 1, 8, 8), 50 * number, dtype=torch.uint8)
        save_grid(images, run / "samples" / "images_000000100.png")
        (run / "config.yaml").write_text("data: {image_size: 8}")
        (run / "summary.json").write_text(json.dumps(summary))
    with (tmp_path / "sweep.csv").open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *reversed(rows[1:])])  # sweep.csv is sorted by score
    return tmp_path


def test_seeds_are_taken_together_and_failures_counted(sweep):
    paper, sgd = read_settings(sweep)
    assert (paper.name, sgd.name) == ("guideline=paper", "guideline=sgd")
    assert paper.metrics() == {"lowest swd": [10, 11], "swd": [20, 21]} and paper.failures() == paper.alarms() == ""
    assert sgd.metrics()["swd"] == [22] and sgd.failures() == "1 (1 diverged)" and sgd.alarms() == "mode_collapse 2"


def test_table_and_figure(sweep):
    assert [path.name for path in write_report(sweep)] == ["table.md", "table.csv", "grids.png"]
    assert (sweep / "table.md").read_text().splitlines() == [
        "| setting | runs | lowest swd | swd | failed | alarms |",
        "|---|---|---|---|---|---|",
        "| guideline=paper | 2 | 10.5 +- 0.71 | 20.5 +- 0.71 |  |  |",
        "| guideline=sgd | 1 | 12 | 22 | 1 (1 diverged) | mode_collapse 2 |",
    ]
    figure = Image.open(sweep / "grids.png")
    assert figure.height == 2 * (8 + 2 + 2 + 4)
    assert figure.getpixel((figure.width - 5, 5)) == (0, 0, 0)  # the paper's images
    assert figure.getpixel((figure.width - 5, 21)) == (100, 100, 100)  # SGD's


def test_two_swept_keys_are_crossed(tmp_path: Path) -> None:
    rows = [["job", "objective", "regularization", *FIELDS]]
    pairs = [("hinge", "none"), ("hinge", "r1"), ("hinge", "lecam"), ("minimax", "none"), ("minimax", "r1")]
    for number, pair in enumerate(pairs):
        run = tmp_path / f"{number:03d}"
        run.mkdir()
        (run / "summary.json").write_text(json.dumps({"score": None, "metrics": {"swd": 20 + number}}))
        rows.append([run.name, *pair, "finished", "swd", "1", "100", "1.0", str(run), ""])
    with (tmp_path / "sweep.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    write_report(tmp_path)
    assert (tmp_path / "table.md").read_text().splitlines()[-8:] == [
        "",
        "swd",
        "",
        "| regularization \\ objective | hinge | minimax |",
        "|---|---|---|",
        "| none | 20 | 23 |",
        "| r1 | 21 | 24 |",
        "| lecam | 22 |  |",
    ]


@pytest.mark.parametrize(("values", "text"), [([], ""), ([1.5], "1.5"), ([1, 3], "2 +- 1.4")])
def test_spread_is_the_standard_deviation(values, text):
    assert spread(values) == text


def test_a_damaged_summary_is_left_out() -> None:
    assert is_whole({"score": {"name": "swd", "value": 1}, "metrics": {"swd": 1.5}})
    for damage in ({"metrics": []}, {"metrics": {"swd": "x"}}, {"score": {"value": 1}}, {"score": 1}):
        assert not is_whole({"score": None, "metrics": {}} | damage)
    assert not is_whole({})
