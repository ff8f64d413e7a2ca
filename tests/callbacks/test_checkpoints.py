import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganlab.callbacks.checkpoints import Checkpoints, Signals
from ganlab.callbacks.writer import Writer
from ganlab.errors import UserError
from ganlab.systems.clock import Clock


def write(path: Path, seen: int) -> None:
    """Replace a checkpoint as the real writer does."""
    path.with_name("unfinished").write_text(str(seen))
    os.replace(path.with_name("unfinished"), path)


def play(
    folder: Path, minibatches: int, seen: int = 0, kept: int | None = 25, rank: int = 0, size: int = 10,
    start: str = "last.ckpt",
) -> None:  # fmt: skip
    """Continue at ``seen`` images where that is not 0, from ``start``."""
    system: Any = SimpleNamespace(clock=Clock([]))
    system.clock.images_seen, system.clock.previous = seen, max(seen - size, 0)
    trainer: Any = SimpleNamespace(
        world_size=1, is_global_zero=rank == 0, ckpt_path=str(folder / start) if seen else None,
        save_checkpoint=lambda path: writer.submit(partial(write, path, system.clock.images_seen)),
    )  # fmt: skip
    checkpoints = Checkpoints(folder, {}, 1000, kept, Signals(), writer := Writer())
    checkpoints.on_train_start(trainer, system)
    for _ in range(minibatches):
        system.clock.tick(size)
        checkpoints.on_train_batch_end(trainer, system, None, None, 0)
    checkpoints.on_train_end(trainer, system)
    writer.thread.shutdown()


def test_no_name_is_given_to_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third write fails: what would have been kept of it must not be the second one's state."""
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == "last.ckpt" and Path(source).read_text() == "80":
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"last.ckpt could not be written \(No space left on device\)"):
        play(tmp_path, 9)
    found = {name: text for name, text in contents(tmp_path).items() if name.endswith(".ckpt")}
    assert found == {"images_000000030.ckpt": "30", "images_000000050.ckpt": "50", "last.ckpt": "50"}


@pytest.mark.parametrize("where", ["network", "moments", "pool", "none"])
def test_nothing_that_is_not_finite_is_saved(tmp_path: Path, where: str) -> None:
    checkpoint: dict[str, Any] = {
        "state_dict": {"networks.generator.0.running_var": torch.ones(3), "pool._extra_state": {"a": torch.ones(2)}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(2.0), "exp_avg": torch.zeros(3)}}}],
        "loops": None,
    }
    place = {
        "network": checkpoint["state_dict"]["networks.generator.0.running_var"],
        "moments": checkpoint["optimizer_states"][0]["state"][0]["exp_avg"],
        "pool": checkpoint["state_dict"]["pool._extra_state"]["a"],
        "none": torch.zeros(2),
    }[where]
    place[1] = float("nan")
    name = {
        "network": r"networks\.generator\.0\.running_var",
        "moments": r"optimizer_states\.0\.state\.0\.exp_avg",
        "pool": r"pool\._extra_state\.a",
    }.get(where)
    system: Any = SimpleNamespace(clock=Clock([]))
    checkpoints = Checkpoints(tmp_path, {"seed": 1}, None, None, Signals(), Writer())
    checkpoints.saved = 64
    trainer: Any = SimpleNamespace(world_size=1)
    if name:
        with pytest.raises(UserError, match=rf"diverged: {name} is no longer .*last.ckpt holds the state at 64 images"):
            checkpoints.on_save_checkpoint(trainer, system, checkpoint)
    else:
        checkpoints.on_save_checkpoint(trainer, system, checkpoint)
        assert checkpoint["config"] == {"seed": 1}


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_one_is_kept_at_each_crossing(tmp_path: Path) -> None:
    play(tmp_path, 9)
    assert contents(tmp_path) == {
        "images_000000030.ckpt": "30", "images_000000050.ckpt": "50", "images_000000080.ckpt": "80", "last.ckpt": "90",
    }  # fmt: skip


def test_none_is_kept_unasked_nor_by_another_rank(tmp_path: Path) -> None:
    play(tmp_path, 9, kept=None)
    play(tmp_path, 9, rank=1)
    assert contents(tmp_path) == {"last.ckpt": "90"}


def test_a_continued_run_keeps_what_a_kill_prevented_and_no_more(tmp_path: Path) -> None:
    write(tmp_path / "last.ckpt", 50)
    play(tmp_path, 1, seen=50)
    assert contents(tmp_path) == {"images_000000050.ckpt": "50", "last.ckpt": "60"}
    (tmp_path / "images_000000050.ckpt").write_text("as it was")
    write(tmp_path / "last.ckpt", 50)
    play(tmp_path, 0, seen=50)  # it is there: nothing to mend
    play(tmp_path, 2, seen=60)  # no crossing at 60, 70 and 80
    assert contents(tmp_path)["images_000000050.ckpt"] == "as it was"
    assert "images_000000060.ckpt" not in contents(tmp_path)
    play(tmp_path, 1, seen=40)  # from an earlier checkpoint: crossed once more
    assert contents(tmp_path)["images_000000050.ckpt"] == "50"


def test_a_run_that_ends_where_it_continues_has_its_last_checkpoint(tmp_path: Path) -> None:
    write(tmp_path / "best.ckpt", 55)
    play(tmp_path, 0, seen=55, kept=None, start="best.ckpt")
    assert contents(tmp_path)["last.ckpt"] == "55"


def test_the_last_one_is_not_written_twice_where_links_are_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(tmp_path, 3)
    assert (tmp_path / "last.ckpt").samefile(tmp_path / "images_000000030.ckpt")

    def refuse(*_: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    play(tmp_path, 5)
    assert contents(tmp_path) == {"images_000000030.ckpt": "30", "images_000000050.ckpt": "50", "last.ckpt": "50"}
    assert not (tmp_path / "last.ckpt").samefile(tmp_path / "images_000000050.ckpt")


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr("ganlab.callbacks.checkpoints.shutil.copyfileobj", full)
    with pytest.raises(UserError, match=r"images_000000030.ckpt could not be written .* or type every.keep=null"):
        play(tmp_path, 3)
    assert contents(tmp_path) == {"last.ckpt": "30"}
