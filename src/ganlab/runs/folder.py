"""A run's folder: what it holds, whether it may be continued, and from where."""

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig

from ganlab.configuration import recorded
from ganlab.configuration.checking import differences
from ganlab.configuration.commands import command, placed
from ganlab.configuration.continuing import CONTINUED
from ganlab.data.module import ImageDataModule
from ganlab.data.packs.comparison import changes
from ganlab.errors import UserError
from ganlab.files import misplaced, read_json, remove_temporary_files, set_aside, write_text_atomically
from ganlab.locks import BUSY, locked_or_refused
from ganlab.runs.environment import earlier_starts
from ganlab.runs.metrics import JSONL
from ganlab.systems.checkpoint import BEST, LAST, PREVIOUS, Checkpoint, WholeCheckpointIO, newest_whole, read

FREE = (
    *CONTINUED,
    *("name", "checkpoint"),
    *("experiment", "data.experiment"),  # only names the recipe; its values are compared
    "data_changed",
)
# What may differ as well in runs that recorded their pictures, which are then compared themselves.
PLACES = tuple(
    f"data.{node}{key}" for node in ("", "source.", "source.a.", "source.b.") for key in ("root", "download")
)
DATA = ImageDataModule.__qualname__  # Lightning's key in a checkpoint of what the data module records


class RunFolder:
    """The files of a run: ``config.yaml``, ``metrics.jsonl``, ``samples/``, ``checkpoints/`` and more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / JSONL
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.environment = path / "environment.json"
        self.summary = path / "summary.json"
        self.log = path / "train.log"

    @property
    def command(self) -> str:
        """The command that continues the run with its own configuration."""
        outputs = placed(self.path.parent)
        return command("train", f"run={self.path.name}", **({} if outputs == Path("outputs") else {"outputs": outputs}))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder, which is not created yet; the folder of runs is."""
        outputs = self.path.parent
        missing = [folder for folder in (outputs, *outputs.parents) if not folder.exists()]
        try:
            outputs.mkdir(parents=True, exist_ok=True)
            if not os.access(outputs, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise UserError(f"outputs={outputs} cannot be written: {error.strerror}") from error
        refusal = f"run {self.path} {BUSY}: wait, or type another run="
        try:
            with locked_or_refused(self.path, refusal):
                yield
        finally:
            for folder in missing:
                with suppress(OSError):  # has a run by now
                    folder.rmdir()

    def start(self, config: dict[str, Any], given: str | None) -> Checkpoint | None:
        """Return the checkpoint to start from: the run's own newest, or the one ``given``; None to start from scratch.

        ``UserError`` if the run exists, and a checkpoint is given or more than the `FREE` keys differ.
        """
        newest = newest_whole(self.checkpoints)
        if newest:
            recorded.take(newest.state["config"], newest.path)
        if given and not (newest and newest.state["config"].get("checkpoint") == given):
            if newest:
                raise UserError(
                    f"run {self.path} exists already: leave out checkpoint= to continue it, or type another run= to "
                    f"start a new run from {given}"
                )
            recorded.take((state := read(given))["config"], given)
            return Checkpoint(Path(given), state)
        free = (*FREE, *PLACES) if newest and DATA in newest.state else FREE
        if newest and (changed := differences(newest.state["config"], config, free)):
            overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
            typed = tuple(f"{each.partition('=')[0]}=" for each in overrides)
            changed.sort(key=lambda change: not change.startswith(typed))
            raise UserError(
                f"run {self.path} was started with {'; '.join(changed[:5])}: type the same values to continue it, or "
                f"another run= to start from scratch"
            )
        return newest

    def require_same_data(self, start: Checkpoint, data: ImageDataModule) -> None:
        """Raise ``UserError`` if the pictures are not those that the run was trained on, as far as it recorded them."""
        recorded = start.state[DATA]["packs"] if DATA in start.state else []
        pairs = zip(recorded, data.packs if recorded else [], strict=True)
        if found := [change for before, pack in pairs for change in changes(before, pack)]:
            raise UserError(
                f"run {self.path} was trained on other pictures ({'; '.join(found)}): set data.root to those, type "
                "data_changed=accept to go on with these, or another run= to start from scratch"
            )

    def adopt(self, checkpoint: Checkpoint, config: dict[str, Any], data: ImageDataModule) -> Checkpoint:
        """Copy another run's checkpoint, weights, moments and clock but no scores, as the first of this run."""
        state = checkpoint.state | {"config": config, "callbacks": {}, DATA: data.state_dict()}
        path = self.checkpoints / LAST
        WholeCheckpointIO().save_checkpoint(state, path)
        return Checkpoint(path, state)

    def create(self, config: dict[str, Any], environment: dict[str, Any], start: Checkpoint | None = None) -> None:
        """Make the folder unless it exists, and record the configuration and this start.

        What is damaged in it and not the checkpoint to ``start`` from is renamed, and what it was is printed.
        """
        self._set_aside_damaged(start)
        self.samples.mkdir(parents=True, exist_ok=True)
        self.summary.unlink(missing_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        remove_temporary_files(self.checkpoints)
        for name in ("config.yaml", "metrics.*", "environment.json", "summary.json"):
            remove_temporary_files(self.path, name)
        for name in ("reals.png", f"*_{'[0-9]' * 9}.png"):  # those of src/sample.py have other names
            remove_temporary_files(self.samples, name)
        starts = earlier_starts(self.environment) or []
        write_text_atomically(self.environment, json.dumps([*starts, environment], indent=2))
        write_text_atomically(self.config, yaml.safe_dump(config, sort_keys=False))

    def _set_aside_damaged(self, start: Checkpoint | None) -> None:
        last, previous, best = (self.checkpoints / name for name in (LAST, PREVIOUS, BEST))
        damaged = {path: "" for path in (self.config, self.metrics, self.metrics.with_suffix(".csv"), previous, best)}
        damaged = {path: reason for path, reason in damaged.items() if misplaced(path)}
        if os.path.lexists(self.environment) and earlier_starts(self.environment) is None:
            damaged[self.environment] = "; its record of earlier starts is lost, and W&B gets a new run"
        if os.path.lexists(self.summary) and not self._summary():
            damaged[self.summary] = "; it is made again at the end"
        if os.path.lexists(self.samples) and not self.samples.is_dir():
            damaged[self.samples] = ""
        if misplaced(last) or (start and start.path.parent == self.checkpoints and start.path != last):
            damaged[last] = ""
        for path, loss in damaged.items():
            if os.path.lexists(path):
                print(f"warning: {path} is damaged, now {set_aside(path).name}{loss}", file=sys.stderr)

    def finished(self, length: int | None) -> bool:
        """Whether the run has ended, at ``length`` images or more."""
        return length is not None and self._summary().get("images_seen", -1) >= length

    def score(self) -> float | None:
        """Return the score in the summary of a finished run."""
        score = self._summary().get("score")
        return float(score["value"]) if score else None

    def _summary(self) -> dict[str, Any]:
        """Return the content of ``summary.json``; empty where there is none, or a damaged one."""
        found: dict[str, Any] = read_json(self.summary, dict) or {}
        match found:
            case {"images_seen": int(), "score": None | {"value": int() | float()}}:
                return found
        return {}


def run_of(checkpoint: Path) -> Path:
    """Return the run folder that a checkpoint lies in; its own folder where it lies elsewhere."""
    return checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
