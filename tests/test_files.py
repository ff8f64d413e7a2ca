import os
from pathlib import Path

import pytest

from ganlab.files import (
    append_text,
    atomic_write,
    misplaced,
    read_json,
    remove_temporary_files,
    replace_folder,
    set_aside,
    write_text_atomically,
)


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
    remove_temporary_files(tmp_path, "b.*")
    assert names(tmp_path) == sorted([kept, ".own", "own.tmp"])
    remove_temporary_files(tmp_path, "a.*")
    assert names(tmp_path) == [".own", "own.tmp"]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / folder).touch()
    replace_folder(tmp_path / "new", tmp_path / "old")
    assert names(tmp_path) == ["old"] and names(tmp_path / "old") == ["new"]


@pytest.mark.parametrize("links", [True, False])
def test_a_name_is_never_missing_while_its_old_file_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    replace, seen = os.replace, list[list[str]]()

    def watched(source: Path, target: Path) -> None:
        replace(source, target)
        seen.append([path.name for path in (tmp_path / "last", tmp_path / "previous") if path.exists()])

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    for text in "123":
        if text == "3":
            monkeypatch.setattr(os, "replace", watched)
            if not links:
                monkeypatch.setattr(os, "link", refuse)
        with atomic_write(tmp_path / "last", backup=tmp_path / "previous") as file:
            file.write(text.encode())
    assert (tmp_path / "last").read_text() == "3" and (tmp_path / "previous").read_text() == "2"
    assert seen == [["last", "previous"] if links else ["previous"], ["last", "previous"]]
    assert names(tmp_path) == ["last", "previous"]


def test_an_error_names_the_file_and_not_its_temporary_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory") as caught, atomic_write(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path.parent / tmp_path.name)
    with pytest.raises(FileNotFoundError) as missing:
        write_text_atomically(tmp_path / "nowhere" / "a.txt", "text")
    assert missing.value.filename == str(tmp_path / "nowhere" / "a.txt")


def test_the_longest_name_that_a_file_may_have_can_be_written(tmp_path: Path) -> None:
    for name in ("a" * 255, "語" * 85):
        write_text_atomically(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name


def test_what_cannot_be_appended_in_full_is_not_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    append_text(path, "first\n")

    class Full:
        """A disk with room for three more bytes."""

        def __init__(self, file: object) -> None:
            self.file, self.free = file, 3

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def write(self, data: bytes) -> int:
            if not self.free:
                raise OSError(28, "No space left on device")
            count, self.free = self.file.write(data[: self.free]), 0
            return count

    opened = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *mode, **options: Full(opened(self, *mode, **options)))
        with pytest.raises(OSError, match=r"No space left on device: '.*log'"):
            append_text(path, "second\n")
    assert path.read_text() == "first\n"
    append_text(path, "naïve\n")
    assert path.read_text() == "first\nnaïve\n"


def test_what_stands_in_the_place_of_a_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    found = {name: misplaced(tmp_path / name) for name in ("folder", "link", "file", "nothing")}
    assert found == {"folder": True, "link": True, "file": False, "nothing": False}
    assert set_aside(tmp_path / "folder").name == "folder.damaged-1"
    (tmp_path / "folder").mkdir()
    assert set_aside(tmp_path / "folder").name == "folder.damaged-2"
    assert set_aside(tmp_path / "link").is_symlink()


def test_only_sound_json_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_json(path, dict) is None and read_json(tmp_path, dict) is None
    for content in (b"", b'{"a": 1', b"\xff\xfe{}", b"[" * 100_000, b"[1]", b"null", b"\0" * 40):
        path.write_bytes(content)
        assert read_json(path, dict) is None, content[:9]
    path.write_bytes('{"ä": 1}'.encode("utf-8-sig"))
    assert read_json(path, dict) == {"ä": 1} and read_json(path, list) is None
