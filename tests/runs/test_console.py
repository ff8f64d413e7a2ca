import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ganlab.runs.console import console, log

FULL = Path("/dev/full")
PROGRAM = """
import os, sys
from ganlab.runs.console import console, log
log_file = sys.argv[1]
with console():
    print("before the folder")
    from pathlib import Path
    log.open(Path(log_file))
    with open(log_file + ".first", "w") as file:  # must not get the number of a closed stream
        assert file.fileno() > 2
        for number in range(3000):
            print("line", number, flush=True)
        print("trouble", file=sys.stderr)
    os.write(1, b"a word of C code")
"""


@pytest.mark.parametrize("redirection", ["| head -n 1", ">&-", "2>&-", ">&- 2>&- <&-", "> /dev/full", "2> /dev/full"])
def test_a_console_that_cannot_be_written_stops_nothing(tmp_path: Path, redirection: str) -> None:
    if "full" in redirection and not FULL.exists():
        pytest.skip("no /dev/full")
    path = tmp_path / "train.log"
    script = f'set -o pipefail; {sys.executable} -c "$PROGRAM" {path} {redirection}'
    environment = os.environ | {"PROGRAM": PROGRAM, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = path.read_text().splitlines()
    assert lines[:2] == ["before the folder", "line 0"] and lines[-2:] == ["line 2999", "trouble"]
    assert "Traceback" not in done.stderr and Path(f"{path}.first").read_text() == ""


def test_bars_colours_and_names_in_no_encoding_become_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with console():
        log.open(tmp_path / "log")
        sys.stderr.write("\r10%|#  |")
        sys.stderr.write("\r      \r")
        print("\x1b[31mtrouble\x1b[0m: mode collapse", file=sys.stderr)
        sys.stderr.write("\r20%|## |\r100%|###|\n")
        print("picture \udcff.png")
    assert (tmp_path / "log").read_text().splitlines() == ["trouble: mode collapse", "100%|###|", "picture \\udcff.png"]
    assert "picture" in capfd.readouterr().out


def test_a_terminal_may_close(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "input()\n" + PROGRAM, str(tmp_path / "log")]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    os.close(ours)
    process.communicate(b"\n")
    assert process.returncode == 0
    assert (tmp_path / "log").read_text().splitlines()[-2:] == ["line 2999", "trouble"]
