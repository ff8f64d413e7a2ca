"""Processes of a run that end in different ways, without torch: each rank runs `PROGRAM`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, time
from ganlab.errors import UserError
from ganlab.runs import peers as module
from ganlab.runs.peers import Peers, follow_parent
from ganlab.runs.ranks import find_world, rank
module.GRACE = 0.5

def collective():  # as NCCL waits, without notice of who has gone
    time.sleep(60)

def gloo():  # it sees a socket close
    while not os.path.exists("dying"): time.sleep(0.01)
    raise RuntimeError("Connection closed by peer")

ways = dict(arg.split("=") for arg in sys.argv[1:])
follow_parent()
print(os.getpid(), file=open(f"pid{rank()}", "w"))
try:
    with Peers(find_world(3, 1)) as peers:
        peers.before_exit = lambda: open(f"flushed{rank()}", "w")
        if not peers.links:
            peers.start("127.0.0.1", 1)
        way = ways.get(str(rank()), "work")
        time.sleep(0.5)
        if way in ("die", "refuse", "interrupted"): open("dying", "w").close()
        if way == "work": time.sleep(0.5)
        if way == "slow": time.sleep(1.5)
        if way == "wait": collective()
        if way == "gloo": gloo()
        if way == "refuse": raise UserError("the disk is full")
        if way == "raise": raise ZeroDivisionError("by design")
        if way == "exit": peers.exit(130)
        if way == "interrupted": sys.exit(143)
        if way == "die": os.kill(os.getpid(), 9)
    open(f"ended{rank()}", "w").close()
except UserError as error:
    if rank() == 0: print(f"error: {error}", file=sys.stderr)
    sys.exit(1)
"""
KILLED = "was killed, or ended without an error of its own"


def run(folder: Path, *ways: str) -> "subprocess.Popen[str]":
    (folder / "program.py").write_text(PROGRAM)
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("SLURM_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "program.py", *ways]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def pids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("pid*")]


@pytest.mark.parametrize(
    ("ways", "code", "errors"),
    [
        (["0=slow"], 0, []),
        (["0=interrupted", "1=interrupted", "2=interrupted"], 143, []),
        (["0=wait", "1=refuse", "2=wait"], 1, ["error: process 1: the disk is full"]),
        (["0=refuse", "1=wait", "2=gloo"], 1, ["error: the disk is full"]),
        (["0=refuse", "1=refuse", "2=refuse"], 1, ["error: the disk is full"]),
        (["0=gloo", "1=die", "2=gloo"], 1, [f"error: process 1 of 3 {KILLED}"]),
        (["0=wait", "1=wait", "2=die"], 1, [f"error: process 2 of 3 {KILLED}"]),
        (["0=die", "1=wait", "2=gloo"], -9, [f"error: process 0 of 3 {KILLED}"]),
        (["0=exit", "1=wait", "2=wait"], 130, []),
        (["0=interrupted", "1=gloo", "2=gloo"], 143, []),
    ],
)
def test_all_processes_end_together_with_the_error_of_one(
    tmp_path: Path, gone: Callable, ways: list[str], code: int, errors: list[str]
) -> None:
    process = run(tmp_path, *ways)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == code and said.splitlines() == errors
    assert len(pids(tmp_path)) == 3 and gone(*pids(tmp_path))
    ended = sorted(path.name for path in tmp_path.glob("ended*"))
    assert ended == (["ended0", "ended1", "ended2"] if code == 0 else [])
    if ways[0] == "0=wait":
        assert (tmp_path / "flushed0").exists()


def test_a_fault_of_another_rank_is_named_and_its_frames_shown(tmp_path: Path) -> None:
    said = run(tmp_path, "0=wait", "1=wait", "2=raise").communicate(timeout=20)[1]
    assert "error: process 2: ZeroDivisionError: by design\n" in said and said.count("Traceback") == 1


def test_a_killed_first_process_takes_the_others_along_at_any_moment(tmp_path: Path, gone: Callable) -> None:
    process = run(tmp_path, "0=wait", "1=wait", "2=wait")
    while len(list(tmp_path.glob("pid*"))) != 3:
        time.sleep(0.01)  # they have just begun
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert gone(*pids(tmp_path))
