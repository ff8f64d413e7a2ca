import subprocess
import sys
from pathlib import Path

import pytest

from ganlab.runs.loggers import MetricsLog
from ganlab.runs.metrics import read_log, truncate_after, write_csv


def test_log_calls_of_one_moment_are_one_row_of_the_csv(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.log_metrics({"images_seen": 64.0, "loss": 1 / 3}, step=64)
    log.log_metrics({"images_seen": 64.0, "swd": float("nan")}, step=64)
    log.log_metrics({"images_seen": 128.0, "images/s": 123456789.0}, step=128)
    assert (tmp_path / "metrics.jsonl").read_text().splitlines() == [
        '{"images_seen": 64, "loss": 0.3333333333333333}',
        '{"images_seen": 64, "swd": NaN}',
        '{"images_seen": 128, "images/s": 123456789.0}',
    ]
    assert not (tmp_path / "metrics.csv").exists()
    log.finalize("failed")
    assert (tmp_path / "metrics.csv").read_text().splitlines() == [
        "images_seen,loss,swd,images/s",
        "64,0.33333333,nan,",
        "128,,,1.2345679e+08",
    ]


def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_log(path) == []
    path.write_text('{"images_seen": 64, "swd": 1.5}\n{"images_seen": 128, "sw')
    assert read_log(path) == [{"images_seen": 64, "swd": 1.5}]
    truncate_after(path, 128)
    assert path.read_text() == '{"images_seen": 64, "swd": 1.5}\n'
    truncate_after(path, -1)
    assert path.read_text() == "" and (tmp_path / "metrics.csv").read_text() == "images_seen\n"


def test_the_csv_of_a_killed_run_is_written_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"images_seen": 64, "swd": 1.5}\n')
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-m", "ganlab.runs.metrics", str(tmp_path)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == f"{tmp_path / 'metrics.csv'}\n"
    assert (tmp_path / "metrics.csv").read_text() == "images_seen,swd\n64,1.5\n"
    assert write_csv(path) == tmp_path / "metrics.csv"


def test_a_full_disk_at_the_end_hides_no_other_error(tmp_path: Path, capsys, monkeypatch) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ganlab.runs.loggers.write_csv", full)
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.log_metrics({"swd": 1.0}, step=64)
    log.finalize("failed")
    assert "metrics.csv could not be written (No space left on device)" in capsys.readouterr().err


def test_damaged_lines_are_left_out_and_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, good = tmp_path / "metrics.jsonl", b'{"images_seen": 64, "swd": 1.5}\r\n'
    damaged = [b'{"images_seen": 64, "sw', b"", b"\xff\xfe", b"[1]", b'{"swd": 1}', b'{"images_seen": 6, "swd": "x"}']
    written = good + b"\n".join(damaged) + b"\n" + good + b'{"images_se'
    path.write_bytes(written)
    assert [entry["swd"] for entry in read_log(path)] == [1.5, 1.5]
    truncate_after(path, 64)
    assert path.read_text() == 2 * '{"images_seen": 64, "swd": 1.5}\n'
    assert (tmp_path / "metrics.jsonl.damaged-1").read_bytes() == written
    assert f"6 damaged lines of {path} are left out; metrics.jsonl.damaged-1 has them" in capsys.readouterr().err
    truncate_after(path, 64)
    assert capsys.readouterr().err == ""
