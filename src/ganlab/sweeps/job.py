"""A job of a sweep: its overrides, its process and its outcome."""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganlab.configuration.text import quoted
from ganlab.files import read_json
from ganlab.locks import BUSY
from ganlab.runs.peers import start_child

LOG_TAIL = 65536  # bytes at the end of a log that are searched for the reason of a failure
REASONS = (r"error: (.+)", r"([\w.]+(?:Error|Exception)\b.*)", r"(.*\S.*)")  # in order of priority


@dataclass(frozen=True)
class Job:
    """A run of a sweep; ``gpus`` is the number of GPUs it needs, 0 for a job on the CPU."""

    number: int
    overrides: tuple[str, ...]
    gpus: int = 0

    @property
    def name(self) -> str:
        return f"{self.number:03d}"


class Attempt:
    """A job in a process that ends with this one: ``<command> <overrides> outputs=<folder> run=<number>``.

    Its output is appended to ``<folder>/<number>.log``; ``environment`` is added to the variables of this process.
    """

    def __init__(self, job: Job, devices: list[str], command: Sequence[str], folder: Path, environment: dict[str, str]):
        self.job, self.devices = job, devices
        self.run, self.log = folder / job.name, folder / f"{job.name}.log"
        command = [*command, *job.overrides, f"outputs={quoted(str(folder))}", f"run={job.name}"]
        # The entry point of the sweep makes Hydra raise its errors; a job prints one line.
        own = {"PYTHONUNBUFFERED": "1", "HYDRA_FULL_ERROR": "0", "WANDB_RUN_GROUP": folder.name}
        with self.log.open("ab") as output:
            output.write(os.fsencode(f"$ {shlex.join(command)}\n"))
            output.flush()
            self._log_start = output.tell()
            self._started = time.monotonic()
            self._process, self._link = start_child(
                command,
                os.environ | own | environment,
                stdin=subprocess.DEVNULL,  # a job that asks a question must not wait for ever
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._started) / 60

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def interrupt(self) -> None:
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill the process and its descendants: other ranks would keep the devices busy."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._link.close()

    def outcome(self, *, stopped: bool) -> dict[str, str]:
        """Return status ``finished`` with the score of ``summary.json``, else why not.

        ``running`` is a job whose run another process trains, such as one that outlived an earlier start of the sweep.
        """
        code = self._process.returncode
        summary = read_json(self.run / "summary.json", dict)
        if code == 0 and summary and summary.get("status") == "finished" and is_whole(summary):
            score = summary["score"] or {"name": "", "value": ""}
            found = {
                "score_name": score["name"],
                "score": score["value"],
                "images_seen": summary.get("images_seen", ""),
            }
            return {"status": "finished"} | {field: str(value) for field, value in found.items()}
        if stopped:
            return {"status": "killed", "reason": "stopped together with the sweep"}
        if code < 0:
            return {"status": "killed", "reason": f"ended by signal {-code} ({signal.strsignal(-code)})"}
        if code == 0:
            return {"status": "failed", "reason": f"ended without a summary.json in {self.run} that says finished"}
        reason = self._reason() or f"exit code {code} without any output"
        return {"status": "running" if BUSY in reason else "failed", "reason": reason}

    def _reason(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - LOG_TAIL))
            text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", log.read().decode(errors="replace"))  # without colours
        lines = re.split(r"[\r\n]+", text)
        found = (match[1] for pattern in REASONS for line in reversed(lines) if (match := re.match(pattern, line)))
        return next(found, "").strip()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def is_whole(summary: dict[str, Any]) -> bool:
    """Whether a run's ``summary.json`` has what tables need."""
    match summary:
        case {"score": None | {"name": str(), "value": int() | float()}, "metrics": dict(metrics)}:
            return all(isinstance(value, (int, float)) for value in metrics.values())
    return False


def override_key(override: str) -> str:
    """Return the key of a Hydra override: ``optimizer.lr`` for ``+optimizer.lr=1e-4``."""
    return override.partition("=")[0].lstrip("+~")
