import time
from pathlib import Path
from threading import Event

import pytest
import torch

from ganlab.callbacks.tracker import Tracker

LIMIT = 0.2


class Recorder:
    """A backend that raises in, or hangs in, the calls it is told to."""

    title = "W&B"

    def __init__(self, raises: str = "", hangs: str = "") -> None:
        self.raises, self.hangs = raises, hangs
        self.calls: list[object] = []
        self.end = Event()  # of what hangs

    def call(self, name: str, *values: object) -> None:
        self.calls.append((name, *values))
        if name in self.hangs:
            self.end.wait(10)
        if name in self.raises:
            raise SystemExit(3) if name == "finish" else OSError(28, "No space left\non device")

    def start(self) -> None:
        self.call("start")

    def log_metrics(self, metrics: dict[str, float], step: int | None) -> None:
        self.call("metrics", metrics, step)

    def log_picture(self, name: str, path: Path, step: int) -> None:
        self.call("picture", name, step)

    def finish(self) -> None:
        self.call("finish")

    def release(self) -> None:
        self.call("release")

    def place(self) -> str:
        return "the page"

    def remedy(self) -> str:
        return "to upload: wandb sync A"


def use(backend: Recorder) -> tuple[Tracker, float]:
    """Track a short run; return the tracker and the seconds that logging took."""
    tracker = Tracker(backend, LIMIT)
    began = time.monotonic()
    for step in (0, 64):
        tracker.log_metrics({"loss": torch.tensor(0.5)}, step)  # type: ignore[dict-item]
        tracker.log_picture("samples/images", Path("a.png"), step)
    seconds = time.monotonic() - began
    tracker.finish()
    return tracker, seconds


def test_calls_are_made_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    backend = Recorder()
    use(backend)
    logged = [("metrics", {"loss": 0.5}, 0), ("picture", "samples/images", 0)]
    logged += [("metrics", {"loss": 0.5}, 64), ("picture", "samples/images", 64)]
    assert backend.calls == [("start",), *logged, ("finish",)]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("raises", "line"),
    [
        ("start", "does not record this run (OSError: [Errno 28] No space left on device)"),
        ("metrics picture", "does not have everything of this run (OSError: [Errno 28] No space left on device)"),
        ("finish", "has not received everything (SystemExit: 3)"),
    ],
)
def test_an_exception_is_reported_in_one_line(raises: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Recorder(raises=raises)
    use(backend)
    assert capsys.readouterr().err == f"warning: W&B {line}; to upload: wandb sync A\n"
    if raises == "start":
        assert backend.calls == [("start",), ("release",)]
    else:
        assert len(backend.calls) == 6 and backend.calls[-1] == ("finish",)


@pytest.mark.parametrize("hangs", ["start", "metrics", "finish"])
def test_a_call_that_hangs_is_left_after_the_limit(hangs: str, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Recorder(hangs=hangs)
    began = time.monotonic()
    tracker, logging = use(backend)
    assert logging < LIMIT / 2  # training does not wait
    assert LIMIT <= time.monotonic() - began < 5
    assert backend.calls[-1] == ("release",) and not tracker.place()
    assert capsys.readouterr().err.count("no answer for 0 s); to upload: wandb sync A\n") == 1
    made = len(backend.calls)
    assert backend.calls.count(("release",)) == 1
    backend.end.set()
    tracker.log_metrics({"loss": 1.0}, 128)
    time.sleep(0.05)
    assert len(backend.calls) == made


def test_a_queue_behind_a_call_that_hangs_does_not_grow(capsys: pytest.CaptureFixture[str]) -> None:
    backend = Recorder(hangs="metrics release")
    tracker = Tracker(backend, LIMIT, grace=0.1)
    tracker.log_metrics({"loss": 1.0}, 0)
    time.sleep(2 * LIMIT)
    for step in range(1, 100):
        tracker.log_metrics({"loss": 1.0}, step)
    began = time.monotonic()
    tracker.finish()
    assert time.monotonic() - began < LIMIT / 2
    assert tracker.calls.qsize() == 1 and "W&B is switched off (no answer" in capsys.readouterr().err
    backend.end.set()
