"""Sweeps of a tiny Hydra application that takes the place of the training script."""

import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from ganlab.sweeps.devices import DevicePool
from ganlab.sweeps.job import Job
from ganlab.sweeps.sweep import Sweep

ROOT = Path(__file__).resolve().parents[2]

APPLICATION = """
import json, os, subprocess, sys, time
from pathlib import Path
import hydra
from ganlab.errors import UserError
from ganlab.runs.peers import follow_parent

@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg):
    started, run = time.time(), Path(cfg.outputs) / str(cfg.run)
    run.mkdir(parents=True, exist_ok=True)
    (run / "pid.tmp").write_text(str(os.getpid()))
    (run / "pid.tmp").rename(run / "pid.txt")
    with (run / "starts.txt").open("a") as starts:
        print(*sys.argv[1:], file=starts)
    if "RANK_OF_TEST" in os.environ:
        return
    if cfg.ranks > 1:  # as Lightning starts the other ranks
        subprocess.run([sys.executable, *sys.argv, "hydra.job.name=rank"], env={**os.environ, "RANK_OF_TEST": "1"})
    if (run / "summary.json").exists():
        print("already finished")
    elif cfg.behaviour == "refuse":
        print("loading 50%\\r\\x1b[31merror: data.root is missing; type data.root=PICTURES\\x1b[0m\\nbye")
        sys.exit(1)
    elif cfg.behaviour == "raise":
        raise RuntimeError("the loss is not finite")
    elif cfg.behaviour == "busy":
        sys.exit(f"error: run {run} is being trained by another process: wait, or type another run=")
    elif cfg.behaviour == "die":
        os.kill(os.getpid(), 9)
    elif cfg.behaviour == "work":
        try:
            time.sleep(cfg.seconds)
        except KeyboardInterrupt:
            (run / "saved").touch()
            sys.exit(1)
        score = {"name": "swd", "value": 1e4 * cfg.optimizer.lr, "images_seen": 64}
        summary = {"status": "finished", "images_seen": 128, "score": score, "metrics": {}}
        (run / "summary.json").write_text(json.dumps(summary))
        record = {"started": started, "ended": time.time(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}
        (run / "record.json").write_text(json.dumps(record))

follow_parent()
os.environ["HYDRA_FULL_ERROR"] = "1"  # as the entry points do, so that they see the errors themselves
try:
    main()
except UserError as error:
    sys.exit(f"error: {error}")
"""
CONFIG = """
defaults: [_self_, {sweep: null}, {override hydra/launcher: processes}]
outputs: my outputs
name: ${now:%H-%M-%S}
run: ???
behaviour: work
seconds: 0.0
ranks: 1
optimizer: {lr: 1e-4}
architecture: {width: 32}
trainer: {accelerator: auto, devices: 1}
hydra: {run: {dir: .}, sweep: {dir: ., subdir: .}, output_subdir: null, job_logging: {root: null}}
"""


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the script, its configuration and the project's own launcher and presets."""
    for group in ("hydra", "sweep"):
        shutil.copytree(ROOT / "conf" / group, tmp_path / "conf" / group)
    (tmp_path / "conf/train.yaml").write_text(CONFIG)
    (tmp_path / "train.py").write_text(APPLICATION)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path


def start(application: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "train.py", "-m", *arguments]
    return subprocess.Popen(
        command,
        cwd=application,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has them, and all that they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def sweep(application: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    process = start(application, *arguments)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code, output + errors
    return output, errors


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def starts(folder: Path) -> list[int]:
    return [len(path.read_text().splitlines()) for path in sorted(folder.glob("*/starts.txt"))]


def shared_gpus(folder: Path) -> list[set[str]]:
    """The GPUs that two jobs held at the same time, for every two jobs that overlapped in time."""
    jobs = [json.loads(path.read_text()) for path in folder.glob("*/record.json")]
    return [
        set(one["gpus"].split(",")) & set(other["gpus"].split(","))
        for one, other in itertools.combinations(jobs, 2)
        if one["started"] < other["ended"] and other["started"] < one["ended"]
    ]


def test_a_grid_becomes_a_table_sorted_by_score(application: Path) -> None:
    output, errors = sweep(application, "name=grid", "optimizer.lr=4e-4,2e-4", "ranks=1,2")
    folder = application / "my outputs/grid"
    keys = "job,optimizer.lr,ranks,status,score_name,score,images_seen,minutes,folder,reason"
    assert (folder / "sweep.csv").read_text().splitlines()[0] == keys
    rows = table(folder)
    assert [row["job"] for row in rows] == ["002", "003", "000", "001"]
    assert [float(row["score"]) for row in rows] == [2, 2, 4, 4]
    del rows[1]["minutes"]
    assert list(rows[1].values()) == ["003", "0.0002", "2", "finished", "swd", "2.0", "128", "my outputs/grid/003", ""]
    assert (folder / "jobs.yaml").read_text().endswith("'003':\n- optimizer.lr=0.0002\n- ranks=2\n")
    assert "job 003 started on the CPU: optimizer.lr=0.0002 ranks=2 (my outputs/grid/003.log)" in output
    assert "job 003 finished: swd 2 (optimizer.lr=0.0002 ranks=2; 0." in output
    assert errors == ""
    assert shared_gpus(folder) == []  # one at a time on the CPU
    assert starts(folder) == [1, 2, 1, 2]  # a rank that executes its command line again is no sweep
    assert sorted(path.name for path in application.iterdir()) == ["conf", "my outputs", "train.py"]
    assert not list(application.rglob("multirun.yaml"))


def test_jobs_get_the_configuration_files_of_the_sweep(application: Path) -> None:
    (application / "conf/other.yaml").write_text(CONFIG.replace("my outputs", "other outputs"))
    (application / "more/sweep").mkdir(parents=True)
    (application / "more/sweep/mine.yaml").write_text("# @package _global_\noptimizer: {lr: 5e-4}\n")
    sweep(application, "-cn", "other", "--config-dir=more", "name=files", "sweep=mine")
    assert [row["score"] for row in table(application / "other outputs/files")] == ["5.0"]
    log = (application / "other outputs/files/000.log").read_text()
    assert log.startswith(f"$ {sys.executable} train.py --config-name other --config-dir more sweep=mine ")


def test_a_failure_is_explained_and_sinks_nobody(application: Path) -> None:
    output, errors = sweep(
        application,
        "name=failures",
        "behaviour=refuse,raise,die,nothing,work",
        "hydra.launcher.jobs_per_device=2",
        "hydra.sweeper.max_batch_size=4",  # the last job is in a batch after the failures
        code=1,
    )
    folder = application / "my outputs/failures"
    assert [(row["behaviour"], row["status"], row["reason"]) for row in table(folder)] == [
        ("work", "finished", ""),
        ("refuse", "failed", "data.root is missing; type data.root=PICTURES"),
        ("raise", "failed", "RuntimeError: the loss is not finite"),
        ("die", "killed", "ended by signal 9 (Killed)"),
        ("nothing", "failed", "ended without a summary.json in my outputs/failures/003 that says finished"),
    ]
    assert output.count("sweep.csv") == 1  # one table, whatever the number of batches
    assert (folder / "000.log").read_text().endswith("bye\n")
    assert errors == ""


def test_no_two_jobs_share_a_gpu(application: Path) -> None:
    sweep(
        application,
        "name=slots",
        "seconds=0.9,0.3,0.2",
        "trainer.devices=2",
        "hydra.launcher.devices=[0,1,2,3]",
    )
    folder = application / "my outputs/slots"
    shared = shared_gpus(folder)
    assert shared and not set.union(*shared)  # some ran at the same time, with no GPU in common
    assert {json.loads(path.read_text())["gpus"] for path in folder.glob("*/record.json")} == {"0,1", "2,3"}


def test_the_same_command_again_continues(application: Path) -> None:
    folder = application / "my outputs/again"
    sweep(application, "name=again", "behaviour=work")
    first = float(table(folder)[0]["minutes"])
    sweep(application, "name=again", "behaviour=work")
    assert starts(folder) == [2]
    assert "already finished" in (folder / "000.log").read_text()
    assert float(table(folder)[0]["minutes"]) > first
    output, errors = sweep(application, "name=again", "behaviour=raise", code=1)
    assert errors == (
        "error: my outputs/again holds another sweep: its job 000 was 'behaviour=work' and is now "
        "'behaviour=raise'; choose another name=, or repeat the first command to continue it\n"
    )
    assert output == ""
    assert starts(folder) == [2]


ROW = "job,status,score_name,score,images_seen,minutes,folder,reason\n000,finished,swd,2.0,128,1.50,a,\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("jobs.yaml", content) for content in ("[", "[1]", "000: 5", "'000': [1]", "a: ${", "\0", "\udcff")),
        *(("sweep.csv", content) for content in ("job\n1\n", ROW[:-12], ROW.replace("1.50", "x"), "\0\n\0", "1\n1")),
        ("sweep.csv", ROW.replace("2.0", "x")),
    ],
)
def test_damaged_records_of_a_sweep_are_set_aside(
    tmp_path: Path, name: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs.yaml").write_text("'000': [seed=0]\n'001': [seed=1]\n")
    (tmp_path / "sweep.csv").write_text(ROW)
    (tmp_path / name).write_text(content, errors="surrogateescape")
    sweep = Sweep(tmp_path, [], DevicePool())
    sweep._record([Job(1, ("seed=1",))])
    assert f"{name} is damaged" in capsys.readouterr().err and (tmp_path / f"{name}.damaged-1").exists()
    assert "001" in sweep._jobs and sweep._rows == {}
    sweep._write_table()
    sweep.report()


def test_ctrl_c_ends_the_jobs_and_keeps_the_table(application: Path) -> None:
    process = start(application, "name=stopped", "seconds=50,60")
    folder = application / "my outputs/stopped"
    while not (folder / "000/starts.txt").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    refused = start(application, "name=stopped", "seconds=50,60").communicate(timeout=60)[1]
    assert refused == (
        "error: a sweep is still running in my outputs/stopped; wait for its end, or choose another name=\n"
    )
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (folder / "000/saved").exists() and not (folder / "001").exists()
    assert [(row["job"], row["status"]) for row in table(folder)] == [("000", "killed")]
    assert "stopped together with the sweep" in output
    assert errors == "stopped; the same command with name=stopped continues\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 128 + signal.SIGUSR1)])
def test_signals_end_the_jobs_too(application: Path, gone: Callable, number: int, code: int) -> None:
    process, job = sleeping(application, "ended")
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code and gone(job)
    assert [row["status"] for row in table(application / "my outputs/ended")] == ["killed"]


def test_jobs_do_not_outlive_a_sweep_that_is_killed(application: Path, gone: Callable) -> None:
    process, job = sleeping(application, "killed")
    process.kill()
    process.communicate()
    assert gone(job)


def sleeping(application: Path, name: str) -> "tuple[subprocess.Popen[str], int]":
    """Start a sweep of jobs that sleep; return it, and the process id of the first job."""
    process, folder = start(application, f"name={name}", "seconds=50,60"), application / "my outputs" / name
    while not (folder / "000/pid.txt").exists() and process.poll() is None:
        time.sleep(0.05)
    return process, int((folder / "000/pid.txt").read_text())


def test_a_job_that_runs_elsewhere_has_not_failed(application: Path) -> None:
    output, _ = sweep(application, "name=elsewhere", "behaviour=busy,work")
    rows = table(application / "my outputs/elsewhere")
    assert [(row["behaviour"], row["status"]) for row in rows] == [("work", "finished"), ("busy", "running")]
    assert "is being trained by another process" in rows[1]["reason"] and "job 000 running:" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run=mine", "optimizer.lr=1,2"], "run=mine names a single run, but -m makes several; type name=mine"),
        (["name=a,b"], "name= and outputs= say where the whole sweep goes; give each a single value"),
        (["hydra.launcher.devices=[0]", "trainer.devices=2"], "trainer.devices=2 asks for more GPUs a job than this"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(application: Path, arguments: list[str], message: str) -> None:
    output, errors = sweep(application, *arguments, code=1)
    assert errors.startswith(f"error: {message}") and errors.count("\n") == 1
    assert output == ""
    assert sorted(path.name for path in application.iterdir()) == ["conf", "train.py"]


@pytest.mark.parametrize(("preset", "key"), [("learning_rate", "optimizer.lr"), ("width", "architecture.width")])
def test_presets_are_grids(application: Path, preset: str, key: str) -> None:
    with initialize_config_dir(str(application / "conf"), version_base="1.3"):
        params = compose("train", [f"sweep={preset}"], return_hydra_config=True).hydra.sweeper.params
    assert list(params) == [key]
    assert len(params[key].split(",")) >= 3


def test_the_launcher_loads_without_torch() -> None:
    program = "import sys, hydra_plugins.process_launcher; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
