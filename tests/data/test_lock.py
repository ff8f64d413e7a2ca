import subprocess
import sys
from pathlib import Path

import pytest

from ganlab.data.lock import locked

COUNT = """
import sys
from pathlib import Path
from ganlab.data.lock import locked

counter = Path(sys.argv[1])
for _ in range(200):
    with locked(Path("made/for/it/.lock"), "counts"):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


def test_the_lock_excludes_though_its_file_and_folders_come_and_go(tmp_path: Path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    command = [sys.executable, "-c", COUNT, str(counter)]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert counter.read_text() == "800", errors
    assert not list(tmp_path.rglob(".lock"))


def test_only_empty_folders_that_were_made_for_the_lock_are_removed(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyError), locked(tmp_path / "mine" / "sets" / "raw" / ".lock", "fails"):
        raise KeyError
    with locked(tmp_path / "mine" / "packs" / ".lock", "works"):
        (tmp_path / "mine" / "packs" / "pack").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine", "pack", "packs"]
