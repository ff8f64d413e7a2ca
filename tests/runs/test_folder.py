from pathlib import Path

import pytest

from ganlab.configuration.checking import differences
from ganlab.errors import UserError
from ganlab.runs.folder import FREE, RunFolder
from ganlab.runs.loggers import MetricsLog
from ganlab.runs.metrics import truncate_after


def test_metrics_are_truncated_to_the_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    truncate_after(folder.metrics, -1)  # nothing was logged yet
    assert not list(tmp_path.iterdir())
    log = MetricsLog(folder.metrics)
    for seen in (0, 64, 128, 192):
        log.log_metrics({"images_seen": float(seen), "loss/generator": seen / 64}, step=seen)
        log.log_metrics({"images_seen": float(seen), "swd": 2.0}, step=seen)
    truncate_after(folder.metrics, 128)
    table = tmp_path / "metrics.csv"
    assert table.read_text().splitlines() == ["images_seen,loss/generator,swd", "0,0,2", "64,1,2", "128,2,2"]
    log = MetricsLog(folder.metrics)
    log.log_metrics({"fid_digits": 3.5}, step=192)
    log.finalize("success")
    lines = table.read_text().splitlines()
    assert lines[0] == "images_seen,loss/generator,swd,fid_digits" and lines[-1] == "192,,,3.5"


def test_only_one_process_trains_in_a_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        assert not folder.path.exists()
        with pytest.raises(UserError, match="is being trained by another process"), folder.locked():
            pass
    with folder.locked():
        pass
    assert not list(tmp_path.iterdir())
    with RunFolder(tmp_path / "new/outputs/run").locked():
        assert (tmp_path / "new/outputs").is_dir()
    assert not list(tmp_path.iterdir())  # no run came of it


def test_length_loggers_intervals_and_places_are_free_to_differ() -> None:
    before = {"optimizer": {"lr": 1.0, "betas": [0.5, 0.9]}, "max_images": 5, "every": {"log": 1}, "everything": 1}
    now = {"optimizer": {"lr": 2.0, "betas": [0.5, 0.9]}, "max_images": 9, "every": {"log": 2}, "everything": 2}
    assert differences(before, now, FREE) == ["everything=1 (now 2)", "optimizer.lr=1.0 (now 2.0)"]
    assert differences(before, before | {"penalty": {"r1": 1}}) == ["penalty.r1=None (now 1)"]


def test_a_place_that_cannot_be_written_is_told() -> None:
    with pytest.raises(UserError, match="cannot be written"), RunFolder(Path("/proc/nowhere/run")).locked():
        pass
