import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ganlab.configuration.commands import ROOT, command, placed
from ganlab.runs.folder import RunFolder

WALK = "import sys; print(*sys.argv[1:], sep='\\n')"


@pytest.mark.parametrize("name", ["two words", "o'clock", 'say "x"', "a$b!", "été (1) & co; #2", "[1]*?"])
def test_a_shell_gives_back_what_was_meant(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    line = command("sample", "seed=1", checkpoint=Path("a/last.ckpt"), count=4)
    python, script, *rest = shlex.split(line)
    assert script == str(ROOT / "src/sample.py")
    assert rest == ["seed=1", f"checkpoint={tmp_path / name}/a/last.ckpt", "count=4"]
    for shell in ("sh", "bash"):
        pasted = line.replace(shlex.quote(script), f"-c {shlex.quote(WALK)}")
        done = subprocess.run([shell, "-c", pasted], capture_output=True, text=True, cwd="/", check=True)
        assert done.stdout.splitlines() == rest


def test_in_the_projects_own_folder_commands_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    assert command("sample", checkpoint=Path("outputs/a/last.ckpt")) == (
        "python src/sample.py checkpoint=outputs/a/last.ckpt"
    )
    assert RunFolder(Path("outputs/1.10")).command == "python src/train.py run=1.10"
    assert RunFolder(Path("o (1)/a b")).command == "python src/train.py 'run=a b' 'outputs=o (1)'"
    monkeypatch.setenv("PATH", "/nowhere")
    assert shlex.split(command("train"))[0] in (sys.executable, os.path.relpath(sys.executable))
    monkeypatch.chdir("/")
    assert placed(Path("x")) == Path("/x")
