import json
from pathlib import Path

import pytest
import yaml

from ganlab.configuration.checking import differences
from ganlab.errors import UserError
from ganlab.runs.environment import new_run_id
from ganlab.runs.folder import FREE, RunFolder
from ganlab.runs.loggers import MetricsLog
from ganlab.runs.metrics import truncate_after
from ganlab.systems.checkpoint import Checkpoint


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


FILES = ("config.yaml", "metrics.jsonl", "metrics.csv", "environment.json", "summary.json", "checkpoints/best.ckpt")


def ruin(path: Path, how: str) -> None:
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
        (path / "content").touch()
    elif how == "link":
        path.symlink_to(path.parent / "nowhere")
    else:
        path.write_bytes({"empty": b"", "torn": b'[{"run_id": "a', "bytes": b"\xff\xfe{\0}\0"}[how])


@pytest.mark.parametrize("how", ["empty", "torn", "bytes", "folder", "link"])
def test_damaged_files_are_named_and_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create({"seed": 0}, {"run_id": "first"})
    for name in FILES:
        ruin(folder.path / name, how)
    if how == "link":
        ruin(folder.samples, how)
    assert not folder.finished(64) and folder.score() is None and new_run_id(folder.environment) != "first"
    folder.create({"seed": 1}, {"run_id": "second"})
    truncate_after(folder.metrics, -1)
    assert yaml.safe_load(folder.config.read_text()) == {"seed": 1} and new_run_id(folder.environment) == "second"
    assert not folder.summary.exists() and folder.samples.is_dir()
    lines = capsys.readouterr().err.splitlines()
    asked = {"environment.json", "summary.json"} | (set(FILES) if how in ("folder", "link") else set())
    for name in asked:
        place = f"{folder.path / name} is damaged, now {Path(name).name}.damaged-1"
        assert sum(place in line for line in lines) == 1
    assert any("record of earlier starts is lost" in line for line in lines)


def test_a_summary_with_other_content_marks_no_finished_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for content in ({"images_seen": "9"}, {"images_seen": 9}, {"images_seen": 9, "score": {"value": None}}, {}):
        folder.summary.write_text(json.dumps(content))
        assert not folder.finished(1) and folder.score() is None
    folder.summary.write_text(json.dumps({"images_seen": 9, "score": {"value": 2.5}}))
    assert folder.finished(9) and not folder.finished(10) and folder.score() == 2.5


def test_what_killed_writers_left_is_removed_and_what_others_write_is_not(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create({}, {"run_id": "a"})
    left = [
        ".metrics.csv.0123abcd.tmp",
        "samples/.images_000000064.png.0123abcd.tmp",
        "samples/.reals.png.0123abcd.tmp",
        "checkpoints/.last.ckpt.0123abcd.tmp",
    ]
    others = [".evaluation.json.0123abcd.tmp", "samples/.last_000000064_seed0.png.0123abcd.tmp"]
    for name in left + others:
        (tmp_path / name).touch()
    folder.create({}, {"run_id": "a"})
    assert [name for name in left + others if (tmp_path / name).exists()] == others


def test_a_damaged_last_checkpoint_never_becomes_the_one_before(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    for name in ("last.ckpt", "previous.ckpt"):
        (folder.checkpoints / name).write_text(name)
    folder.create({}, {"run_id": "a"}, Checkpoint(folder.checkpoints / "previous.ckpt", {}))
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["last.ckpt.damaged-1", "previous.ckpt"]


def test_checkpoints_that_are_out_of_reach_are_not_an_empty_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoints.symlink_to(tmp_path / "unmounted")
    with pytest.raises(UserError, match="checkpoints is no folder, or a link to one that is not there"):
        folder.start({}, None)
    folder.checkpoints.unlink()
    folder.checkpoints.mkdir()
    (folder.checkpoints / "last.ckpt").symlink_to(tmp_path / "unmounted")
    with pytest.raises(UserError, match="no checkpoint in .* can be read"):
        folder.start({}, None)
