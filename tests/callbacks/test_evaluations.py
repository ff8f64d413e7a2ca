from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganlab.callbacks.evaluations import Evaluations
from ganlab.errors import UserError
from ganlab.systems.clock import Clock


class Falling:
    """An evaluator whose score falls, then rises."""

    score_name = "fid_digits"

    def __init__(self, rises: bool = False) -> None:
        self.rises = rises
        self.scores = iter([9.0, 5.0, 3.0, 4.0, 8.0])

    def measure(self, *_: Any) -> dict[str, float]:
        return {"fid_digits": next(self.scores)}

    def improves(self, value: float, best: float) -> bool:
        return value > best if self.rises else value < best


def play(folder: Path, minibatches: int, rises: bool = False) -> tuple[Evaluations, list[str], Any]:
    saved: list[str] = []
    system = SimpleNamespace(clock=Clock([]))
    evaluations = Evaluations(Falling(rises), folder, 20)  # type: ignore[arg-type]
    trainer = SimpleNamespace(
        loggers=[], global_rank=0, world_size=1,
        save_checkpoint=lambda path: saved.append(f"{path.name} at {system.clock.images_seen}"),
    )  # fmt: skip
    evaluations.on_train_start(trainer, system)
    for _ in range(minibatches):
        system.clock.tick(10)
        evaluations.on_train_batch_end(trainer, system, None, None, 0)
    evaluations.on_train_end(trainer, system)
    return evaluations, saved, system


def test_the_best_is_saved_but_never_the_untrained(tmp_path: Path) -> None:
    evaluations, saved, _ = play(tmp_path, 7)
    assert saved == ["best.ckpt at 20", "best.ckpt at 40"]
    assert evaluations.best == {"name": "fid_digits", "value": 3.0, "images_seen": 40}
    assert evaluations.latest == {"fid_digits": 8.0}  # measured at the end too, at 70 images


def test_a_score_that_should_rise_is_best_where_it_is_highest(tmp_path: Path) -> None:
    evaluations, saved, _ = play(tmp_path, 7, rises=True)
    assert saved == ["best.ckpt at 20", "best.ckpt at 70"]
    assert evaluations.best == {"name": "fid_digits", "value": 8.0, "images_seen": 70}


def test_what_was_due_when_a_run_was_stopped_is_measured_on_continuing(tmp_path: Path) -> None:
    first, _, system = play(tmp_path, 3)
    state = first.state_dict() | {"measured": 20}
    for seen, measured in ((30, False), (40, True)):
        system.clock.images_seen, system.clock.previous = seen, seen - 10
        again = Evaluations(Falling(), tmp_path, 20)  # type: ignore[arg-type]
        again.load_state_dict(state | {"best": None})
        trainer = SimpleNamespace(loggers=[], global_rank=0, world_size=1, save_checkpoint=lambda _: None)
        again.on_train_start(trainer, system)  # type: ignore[arg-type]
        assert (again.measured == seen) is measured


@pytest.mark.parametrize("found", ["newer", "missing"])
def test_the_best_of_a_continued_run_is_that_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: str
) -> None:
    newer = {"name": "fid_digits", "value": 1.0, "images_seen": 80}

    def read(path: Path) -> dict[str, Any]:
        assert path == tmp_path / "best.ckpt"
        if found == "missing":
            raise UserError("no such file")
        return {"callbacks": {"Evaluations": {"best": newer}}}

    monkeypatch.setattr("ganlab.callbacks.evaluations.read", read)
    first, _, system = play(tmp_path, 5)
    again = Evaluations(Falling(), tmp_path, 20)  # type: ignore[arg-type]
    again.load_state_dict(first.state_dict())
    again.on_train_start(SimpleNamespace(loggers=[], global_rank=0, world_size=1), system)  # type: ignore[arg-type]
    assert again.best == (newer if found == "newer" else None)
    assert ("best.ckpt is missing or damaged" in capsys.readouterr().err) is (found == "missing")
