import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ganlab.callbacks.writer import WAITING, Writer
from ganlab.errors import UserError
from ganlab.runs.loggers import MetricsLog

ANY: Any = None


def test_jobs_are_done_in_order_and_all_of_them_before_a_checkpoint() -> None:
    writer, done = Writer(), list[int]()

    def job(number: int) -> None:
        time.sleep(0.002)
        done.append(number)

    for number in range(3 * WAITING):  # more than may wait
        writer.submit(lambda number=number: job(number))
        assert len(writer.jobs) <= WAITING
    writer.on_save_checkpoint(ANY, ANY, {})
    assert done == list(range(3 * WAITING))
    writer.submit(lambda: job(-1))
    writer.on_train_end(ANY, ANY)
    assert done[-1] == -1
    writer.teardown(ANY, ANY, "fit")


def test_training_does_not_wait_for_a_job() -> None:
    writer, release = Writer(), threading.Event()
    writer.submit(lambda: (release.wait(10), None)[1])
    writer.on_train_batch_end(ANY, ANY, {}, ANY, 0)  # comes back while the job still waits
    assert len(writer.jobs) == 1
    release.set()
    writer.flush()
    assert not writer.jobs


@pytest.mark.parametrize("where", ["batch", "checkpoint", "end", "next job"])
def test_what_a_job_raises_is_raised_again(where: str) -> None:
    writer = Writer()
    writer.submit(lambda: [][0])
    while not writer.jobs[0].done():
        time.sleep(0.001)
    with pytest.raises(IndexError):
        {
            "batch": lambda: writer.on_train_batch_end(ANY, ANY, {}, ANY, 0),
            "checkpoint": lambda: writer.on_save_checkpoint(ANY, ANY, {}),
            "end": lambda: writer.on_train_end(ANY, ANY),
            "next job": lambda: writer.submit(lambda: None),
        }[where]()


def test_a_disk_that_refuses_is_one_line_with_the_mend(tmp_path: Path) -> None:
    writer = Writer()
    writer.submit(lambda: (tmp_path / "nowhere" / "grid.png").write_text("") and None)
    with pytest.raises(UserError, match=r"nowhere/grid.png could not be written .*: make room"):
        writer.flush()


def test_the_last_jobs_are_done_when_training_is_broken_off() -> None:
    writer, done = Writer(), list[int]()
    writer.submit(lambda: (time.sleep(0.05), done.append(1))[1])
    writer.on_exception(ANY, ANY, KeyboardInterrupt())
    assert done == [1]


def test_metrics_appended_in_the_background_are_those_appended_at_once(tmp_path: Path) -> None:
    writer = Writer()
    logs = MetricsLog(tmp_path / "now.jsonl"), MetricsLog(tmp_path / "later.jsonl", writer)
    for seen in range(300):
        for log in logs:
            log.log_metrics({"loss": seen / 7}, step=seen)
            if seen % 50 == 0:
                log.log_metrics({f"score{seen}": 1.0}, step=seen)
    writer.flush()
    assert (tmp_path / "later.jsonl").read_text() == (tmp_path / "now.jsonl").read_text()
    assert len((tmp_path / "later.jsonl").read_text().splitlines()) == 306
    logs[1].log_metrics({"loss": 1.0}, step=300)
    writer.flush()
    assert (tmp_path / "later.jsonl").read_text().splitlines()[-1] == '{"images_seen": 300, "loss": 1.0}'


def test_jobs_behind_one_that_failed_are_not_done(tmp_path: Path) -> None:
    writer, done, release = Writer(), list[int](), threading.Event()
    writer.submit(lambda: (release.wait(10), (tmp_path / "nowhere" / "last.ckpt").touch())[1])
    for number in range(3):
        writer.submit(lambda number=number: done.append(number))
    release.set()
    with pytest.raises(UserError, match=r"last.ckpt could not be written"):
        writer.flush()
    writer.on_exception(ANY, ANY, None)
    assert done == []


def test_what_training_can_do_without_is_one_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer, folder = Writer(), tmp_path / "samples"

    def jobs(*names: str) -> list[str]:
        for name in names:
            writer.submit(lambda name=name: (folder / name).touch(), optional="previews")
        writer.flush()
        return capsys.readouterr().err.splitlines()

    line = (
        f"warning: {folder}/1.png could not be written (No such file or directory): training goes on without previews"
    )
    assert jobs("1.png", "2.png") == [line]
    folder.mkdir()
    assert jobs("3.png") == []
    folder.rename(tmp_path / "elsewhere")
    assert len(jobs("4.png", "5.png")) == 1
    writer.submit(lambda: None)
    writer.flush()


def test_rows_that_a_full_disk_refused_are_appended_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, path = Writer(), tmp_path / "run" / "metrics.jsonl"
    log = MetricsLog(path, writer)
    for seen in (64, 128):
        log.log_metrics({"swd": 1.0}, step=seen)
        writer.flush()
    path.parent.mkdir()
    log.log_metrics({"swd": 2.0}, step=192)
    writer.flush()
    assert [line[:19] for line in path.read_text().splitlines()] == [
        '{"images_seen": 64,', '{"images_seen": 128', '{"images_seen": 192',
    ]  # fmt: skip
