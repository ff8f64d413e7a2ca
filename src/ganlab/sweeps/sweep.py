"""A sweep: jobs in parallel on separate devices, and a table of their scores."""

import csv
import math
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any, cast

from omegaconf import OmegaConf

from ganlab.configuration.text import unquoted
from ganlab.errors import UserError
from ganlab.files import set_aside, write_text_atomically
from ganlab.locks import locked_or_refused
from ganlab.runs.metrics import table
from ganlab.sweeps.devices import DevicePool
from ganlab.sweeps.job import Attempt, Job, override_key

FIELDS = ("status", "score_name", "score", "images_seen", "minutes", "folder", "reason")
GRACE = 30.0  # seconds for a stopped job to save its checkpoint


class Sweep:
    """Runs jobs and writes ``jobs.yaml``, ``sweep.csv``, and a log and a run folder per job into ``folder``.

    Starting the same jobs in the same folder again continues their runs; their minutes add up. See also `Attempt`.
    """

    def __init__(self, folder: Path, command: Sequence[str], pool: DevicePool):
        self.folder, self.command, self.pool = folder, list(command), pool
        self.failed = 0  # jobs of this start that did not finish
        self._jobs: dict[str, list[str]] = {}
        self._rows: dict[str, dict[str, str]] = {}

    def run(self, jobs: Sequence[Job]) -> list[float | None]:
        """Run all jobs and return their scores, None for a job that failed or has no score.

        Raises ``UserError`` before any job starts if the folder belongs to other jobs or to a sweep that is running,
        and KeyboardInterrupt with its number after a signal, when all jobs have ended and are recorded.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        waiting, running = deque(jobs), list[Attempt]()
        refusal = f"a sweep is still running in {self.folder}; wait for its end, or choose another name="
        with locked_or_refused(self.folder, refusal), _signals_noted() as noted:
            self._record(jobs)
            try:
                while (waiting or running) and not noted:
                    while waiting and (devices := self.pool.take(waiting[0].gpus)):
                        running.append(self._start(waiting.popleft(), devices))
                    time.sleep(0.1)
                    for attempt in [each for each in running if not each.running]:
                        running.remove(attempt)
                        self._end(attempt)
            finally:  # no job outlives the sweep
                _stop(running, noted)
                for attempt in running:
                    self._end(attempt, stopped=True)
        if noted:
            raise KeyboardInterrupt(noted[0])
        return [_score(self._rows[job.name]) for job in jobs]

    def report(self) -> None:
        """Print the table of ``sweep.csv``, best score first, failures last."""
        from rich.table import Table

        from ganlab.report.tables import print_table

        swept = self._swept()
        table = Table(title=str(self.folder / "sweep.csv"), title_justify="left")
        for heading in ("job", "status", "score", *swept, "minutes"):
            table.add_column(heading)
        for name, row in self._sorted():
            status = ": ".join(filter(None, (row["status"], row.get("reason"))))
            table.add_row(name, status, _named_score(row), *self._values(name, swept), row["minutes"])
        print_table(table)

    def _record(self, jobs: Sequence[Job]) -> None:
        """Append the jobs to ``jobs.yaml``, which keeps those of earlier starts and batches."""
        known = self.folder / "jobs.yaml"
        self._jobs = _readable(known, _read_jobs)
        rows = _readable(self.folder / "sweep.csv", _read_rows)
        for job in jobs:
            before, now = self._jobs.get(job.name, job.overrides), job.overrides
            if set(before) != set(now):
                raise UserError(
                    f"{self.folder} holds another sweep: its job {job.name} was '{' '.join(before)}' and is now "
                    f"'{' '.join(now)}'; choose another name=, or repeat the first command to continue it"
                )
        self._jobs |= {job.name: list(job.overrides) for job in jobs}
        self._rows = {name: row for name, row in rows.items() if name in self._jobs}
        write_text_atomically(known, OmegaConf.to_yaml(OmegaConf.create(self._jobs)))

    def _start(self, job: Job, devices: list[str]) -> Attempt:
        attempt = Attempt(job, devices, self.command, self.folder, self.pool.environment(devices))
        place = self.pool.describe(devices)
        print(f"job {job.name} started on {place}: {self._label(job)} ({attempt.log})", flush=True)
        return attempt

    def _end(self, attempt: Attempt, *, stopped: bool = False) -> None:
        attempt.kill()
        self.pool.give(attempt.devices)
        job, row = attempt.job, attempt.outcome(stopped=stopped)
        minutes = attempt.minutes + float(self._rows.get(job.name, {}).get("minutes", 0))
        self._rows[job.name] = row | {"minutes": f"{minutes:.2f}", "folder": str(attempt.run)}
        self.failed += row["status"] not in ("finished", "running")
        try:
            self._write_table()
        except OSError as error:  # the next job that ends writes it again
            print(f"warning: {error.filename} could not be written ({error.strerror})", flush=True)
        result = row.get("reason") or _named_score(row) or "no score"
        print(f"job {job.name} {row['status']}: {result} ({self._label(job)}; {minutes:.1f} min)", flush=True)

    def _write_table(self) -> None:
        swept = self._swept()
        rows = [["job", *swept, *FIELDS]]
        for name, row in self._sorted():
            rows.append([name, *self._values(name, swept), *(row.get(field, "") for field in FIELDS)])
        write_text_atomically(self.folder / "sweep.csv", table(rows))

    def _sorted(self) -> list[tuple[str, dict[str, str]]]:
        def rank(item: tuple[str, dict[str, str]]) -> tuple[bool, float, int]:
            score = _score(item[1])
            return item[1]["status"] != "finished", math.inf if score is None else score, int(item[0])

        return sorted(self._rows.items(), key=rank)

    def _swept(self) -> list[str]:
        """Return the keys that differ between jobs, in the order of the command line."""
        keys = dict.fromkeys(override_key(each) for overrides in self._jobs.values() for each in overrides)
        return [key for key in keys if len({tuple(self._values(name, [key])) for name in self._jobs}) > 1]

    def _values(self, name: str, keys: Sequence[str]) -> list[str]:
        values = {override_key(each): unquoted(each.partition("=")[2]) for each in self._jobs[name]}
        return [values.get(key, "") for key in keys]

    def _label(self, job: Job) -> str:
        swept = self._swept()
        return " ".join(each for each in job.overrides if override_key(each) in swept) or " ".join(job.overrides)


def _readable(path: Path, read: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Return what an earlier start recorded, empty if nothing; a damaged file is renamed, and the jobs refill it."""
    if not os.path.lexists(path):
        return {}
    try:
        return read(path)
    except Exception as error:  # yaml, csv and omegaconf raise many kinds
        reason = str(error).partition("\n")[0]
        print(f"warning: {path} is damaged ({reason}), now {set_aside(path).name}", file=sys.stderr, flush=True)
        return {}


def _read_jobs(path: Path) -> dict[str, list[str]]:
    jobs: Any = OmegaConf.to_container(OmegaConf.load(path))
    for name, overrides in jobs.items():
        if not (name.isdecimal() and isinstance(overrides, list) and all(isinstance(each, str) for each in overrides)):
            raise ValueError(f"{name} is no job")
    return cast(dict[str, list[str]], jobs)


def _read_rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", errors="surrogateescape") as file:
        rows = {row["job"]: {field: row[field] for field in FIELDS} for row in csv.DictReader(file, strict=True)}
    for name, row in rows.items():
        if not name.isdecimal() or None in row.values() or not math.isfinite(float(row["minutes"])):
            raise ValueError(f"the row of job {name} is damaged")
        _score(row)
    return rows


def _score(row: dict[str, str]) -> float | None:
    score = float(row.get("score") or math.nan)
    return None if math.isnan(score) else score


def _named_score(row: dict[str, str]) -> str:
    score = _score(row)
    return "" if score is None else f"{row['score_name']} {score:.5g}"


def _stop(running: Sequence[Attempt], noted: Sequence[int]) -> None:
    """Interrupt all jobs and wait for them to save, at most until another Ctrl-C; they are killed later."""
    for attempt in running:
        attempt.interrupt()
    deadline = time.monotonic() + GRACE
    while any(each.running for each in running) and time.monotonic() < deadline and SIGINT not in noted[1:]:
        time.sleep(0.1)


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Record signals instead of raising, which could lose a job between two lines of the loop."""
    noted: list[int] = []
    handlers = {each: signal.getsignal(each) for each in (SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
