import os
import pickle
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch

from ganlab.errors import UserError
from ganlab.systems.checkpoint import FORMAT, WholeCheckpointIO, newest_whole, read


def state(value: int) -> dict:
    return {
        "format": FORMAT,
        "config": {"seed": 0},
        "state_dict": {"weight": torch.full((64,), float(value))},
        "images_seen": value,
        **{"callbacks": {}, "optimizer_states": [], "lr_schedulers": []},
        **{"epoch": 0, "global_step": 0, "pytorch-lightning_version": "2.6.0"},
    }


def test_it_is_written_beside_its_place_and_the_one_before_is_kept(tmp_path: Path) -> None:
    writer = WholeCheckpointIO()
    for value in (1, 2, 3):
        writer.save_checkpoint(state(value), tmp_path / "checkpoints/last.ckpt")
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["last.ckpt", "previous.ckpt"]
    assert read(tmp_path / "checkpoints/last.ckpt")["images_seen"] == 3
    assert read(tmp_path / "checkpoints/previous.ckpt")["images_seen"] == 2


def test_what_is_written_later_is_the_state_of_now(tmp_path: Path) -> None:
    jobs: list[Callable[[], None]] = []
    network, before = torch.nn.BatchNorm2d(3).to(memory_format=torch.channels_last), state(1)
    before |= {"state_dict": network.state_dict(), "optimizer_states": [{"state": {0: {"step": torch.tensor(2.0)}}}]}
    WholeCheckpointIO(jobs.append).save_checkpoint(before, tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())
    with torch.no_grad():  # training goes on
        network.weight.fill_(7)
        before["optimizer_states"][0]["state"][0]["step"].add_(1)
        before["images_seen"] = 2
    jobs.pop()()
    written = read(tmp_path / "last.ckpt")
    assert torch.equal(written["state_dict"]["weight"], torch.ones(3)) and written["images_seen"] == 1
    assert written["optimizer_states"][0]["state"][0]["step"] == 2
    assert written["state_dict"]._metadata == network.state_dict()._metadata  # versions of the modules


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    WholeCheckpointIO().save_checkpoint(state(1), tmp_path / "last.ckpt")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(UserError, match="No space left on device"):
        WholeCheckpointIO().save_checkpoint(state(2), tmp_path / "last.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert read(tmp_path / "last.ckpt")["images_seen"] == 1


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_falls_back(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    for value in (1, 2):
        WholeCheckpointIO().save_checkpoint(state(value), tmp_path / "last.ckpt")
    content = bytearray((tmp_path / "last.ckpt").read_bytes())
    if damage == "cut":
        del content[-200:]
    else:
        content[content.index(torch.full((64,), 2.0).numpy().tobytes()) + 5] ^= 0x01  # one bit of one weight
    (tmp_path / "last.ckpt").write_bytes(content)
    found = newest_whole(tmp_path)
    assert found is not None and found.path.name == "previous.ckpt" and found.state["images_seen"] == 1
    assert "last.ckpt cannot be read" in capsys.readouterr().err
    assert newest_whole(tmp_path / "nowhere") is None


def test_the_best_is_continued_from_where_it_alone_is_left(tmp_path: Path) -> None:
    for name, value in (("best.ckpt", 1), ("last.ckpt", 2)):
        WholeCheckpointIO().save_checkpoint(state(value), tmp_path / name)
    assert (found := newest_whole(tmp_path)) and found.state["images_seen"] == 2
    (tmp_path / "last.ckpt").unlink()
    assert (found := newest_whole(tmp_path)) and found.path.name == "best.ckpt"


class Trap:
    def __reduce__(self) -> tuple:
        return (print, ("code ran",))


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"config": Trap(), "state_dict": {}}, tmp_path / "trap.ckpt")
    (tmp_path / "old.ckpt").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.ckpt", "old.ckpt"):
        with pytest.raises(UserError, match="cannot be read as a checkpoint"):
            read(tmp_path / name)
    assert "code ran" not in capsys.readouterr().out


class Room:
    def __reduce__(self) -> tuple:
        return (bytearray, (2**40,))


def test_a_file_that_would_take_more_memory_than_its_size_is_refused(tmp_path: Path) -> None:
    torch.save(state(1), tmp_path / "last.ckpt")
    with ZipFile(tmp_path / "last.ckpt") as whole, ZipFile(tmp_path / "small.ckpt", "w", ZIP_DEFLATED) as small:
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    torch.save(state(1) | {"config": Room()}, tmp_path / "room.ckpt")
    for name, reason in (("small", "it is compressed"), ("room", "it holds a bytearray")):
        with pytest.raises(UserError, match=rf"{name}\.ckpt cannot be read as a checkpoint \({reason}"):
            read(tmp_path / f"{name}.ckpt")


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="not a checkpoint of ganlab"):
        read(tmp_path / "other.pt")
    with pytest.raises(UserError, match="there is no checkpoint"):
        read(tmp_path / "nothing.ckpt")
    (tmp_path / "checkpoints").mkdir()
    (last := tmp_path / "checkpoints" / "last.ckpt").touch()
    for typed in (tmp_path, last.parent, last.with_name("best.ckpt")):
        with pytest.raises(UserError, match=f"there is no checkpoint {typed}: type checkpoint={last}$"):
            read(typed)
    with pytest.raises(UserError, match="is an address"):
        read("https://example.org/last.ckpt")


def test_a_checkpoint_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    older = state(1)
    del older["format"]
    for number, content in enumerate((older, state(1) | {"format": FORMAT + 1})):
        torch.save(content, tmp_path / f"{number}.ckpt")
        with pytest.raises(UserError, match=rf"{number}\.ckpt was written by another version of ganlab: load it with"):
            read(tmp_path / f"{number}.ckpt")


@pytest.mark.parametrize(
    ("name", "value"),
    [("images_seen", -64), ("images_seen", "64"), ("images_seen", None), ("optimizer_states", {}), ("callbacks", [])],
)
def test_wrong_types_are_one_line(tmp_path: Path, name: str, value: object) -> None:
    torch.save(state(1) | {name: value}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=rf"last\.ckpt is not a sound checkpoint: its {name} is missing or wrong"):
        read(tmp_path / "last.ckpt")
