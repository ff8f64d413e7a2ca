import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from ganlab.errors import UserError
from ganlab.locks import lock_folder, locked, locked_or_refused

COUNT = """
import sys
from pathlib import Path
from ganlab.locks import locked

counter = Path(sys.argv[1])
for _ in range(50):
    with locked(Path("some/folder"), "counts"):
        counter.write_text(str(int(counter.read_text()) + 1))
"""
HOLD = """
import sys, time
from pathlib import Path
from ganlab.locks import locked

with locked(Path("run"), "holds it"):
    print("held", flush=True)
    time.sleep(60)
"""


def start(code: str, folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )


def test_the_lock_excludes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    counter, before = tmp_path / "counter", set(lock_folder().iterdir())  # killed holders of other tests left some
    counter.write_text("0")
    processes = [start(COUNT, tmp_path, str(counter)) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    assert counter.read_text() == "200"
    assert list(tmp_path.iterdir()) == [counter]
    assert set(lock_folder().iterdir()) <= before


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    process = start(HOLD, tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (tmp_path / "run", tmp_path / "link" / "run"):
        with pytest.raises(UserError, match="run is taken"), locked_or_refused(path, "run is taken"):
            pass
    with locked_or_refused(tmp_path / "other", "other is taken"):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with locked_or_refused(tmp_path / "run", "run is taken"):
        pass


def test_who_waits_says_for_what(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def wait() -> None:
        with locked(tmp_path / "pack", "makes the pack"):
            done.append("second")

    with caplog.at_level(logging.WARNING), locked(tmp_path / "pack", "makes the pack"):
        thread = Thread(target=wait)
        thread.start()
        while not caplog.messages:
            thread.join(0.01)
        done.append("first")
    thread.join(10)
    assert done == ["first", "second"]
    assert caplog.messages == ["waiting for another process that makes the pack"]


def test_lock_files_lie_in_the_cache_or_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock_folder() == Path(os.environ["GANLAB_LOCKS"])  # set for all tests
    monkeypatch.delenv("GANLAB_LOCKS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert lock_folder() == tmp_path / "ganlab" / "locks" and lock_folder().is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert lock_folder() == tmp_path / f"ganlab-locks-{os.getuid()}" and lock_folder().is_dir()
