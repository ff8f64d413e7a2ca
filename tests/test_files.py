import os
from pathlib import Path

import pytest

from ganlab.files import atomic_write, remove_temporary_files, replace_folder, write_text_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "a.txt", "before")
    with atomic_write(tmp_path / "a.txt", backup=tmp_path / "b.txt") as file:
        file.write("naïve".encode())
        assert (tmp_path / "a.txt").read_text() == "before" and names(tmp_path)[1:] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "naïve" and (tmp_path / "b.txt").read_text() == "before"
    assert names(tmp_path) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace", None])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str | None
) -> None:
    (tmp_path / "a.txt").write_text("before")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"), atomic_write(tmp_path / "a.txt") as file:
        file.write(b"half")
        if step is None:
            fail()
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "before"


def test_what_a_kill_left_is_removed_and_other_files_are_not(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), atomic_write(tmp_path / "a.ckpt") as file:
        kept = Path(file.name).name
        raise SystemExit
    for name in (kept, ".own", "own.tmp"):
        (tmp_path / name).touch()
    remove_temporary_files(tmp_path)
    assert names(tmp_path) == [".own", "own.tmp"]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / folder).touch()
    replace_folder(tmp_path / "new", tmp_path / "old")
    assert names(tmp_path) == ["old"] and names(tmp_path / "old") == ["new"]
