"""Loggers: the run's metrics file, W&B and TensorBoard."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from ganlab.callbacks.tracker import Tracker
from ganlab.callbacks.wandb_page import WandbPage, wandb_mode
from ganlab.callbacks.writer import Writer
from ganlab.errors import UserError
from ganlab.files import append_text
from ganlab.runs.folder import RunFolder
from ganlab.runs.metrics import CSV, IMAGES_SEEN, write_csv
from ganlab.runs.ranks import rank


class MetricsLog(Logger):
    """Appends every log call as a line to ``metrics.jsonl``; at the end of training, however it ends, writes the CSV.

    ``writer`` appends in the background, in order; without one, lines are appended at once.
    """

    def __init__(self, path: Path, writer: Writer | None = None) -> None:
        super().__init__()
        self.path, self.writer = path, writer
        self.lines: list[str] = []  # not yet appended
        self.queued = False  # whether a job is waiting that will append them
        self.lock = Lock()

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        entry = {IMAGES_SEEN: step} | {name: float(value) for name, value in metrics.items() if name != IMAGES_SEEN}
        with self.lock:
            self.lines.append(json.dumps(entry) + "\n")
            queued, self.queued = self.queued, self.writer is not None
        if self.writer is None:
            self.append()
        elif not queued:
            self.writer.submit(self.append, optional="its rows until there is room")

    def append(self) -> None:
        """Append the lines that wait; after an ``OSError``, which leaves the file as it was, they wait on."""
        with self.lock:
            lines, self.lines, self.queued = self.lines, [], False
        try:
            append_text(self.path, "".join(lines))
        except OSError:
            with self.lock:
                self.lines = lines + self.lines
            raise

    @rank_zero_only
    def finalize(self, status: str) -> None:
        try:
            if self.lines:
                self.append()
            if self.path.is_file():
                write_csv(self.path)
        except OSError as error:  # must not hide the error that ended training
            reason = f"{error.filename or CSV} could not be written ({error.strerror})"
            print(f"warning: {reason}: python -m ganlab.runs.metrics {self.path.parent}", file=sys.stderr)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration is in ``config.yaml``."""


def build_loggers(folder: RunFolder, config: dict[str, Any], run_id: str, writer: Writer) -> list[Logger]:
    """Return the loggers of a run: its metrics file and, in the first process, those of the ``logger`` group."""
    loggers: list[Logger] = [MetricsLog(folder.metrics, writer)]
    if rank() == 0:
        for name, options in config["logger"].items():
            if name == "tensorboard":
                loggers.append(Tracker(TensorBoard(folder.path, options)))
            elif wandb_mode() != "disabled":
                sweep = os.environ.get("WANDB_RUN_GROUP") or None
                named = {"name": f"{sweep}/{config['run']}" if sweep else str(config["run"]), "group": sweep}
                page = WandbPage(folder.path, run_id, options | named, config, axis=IMAGES_SEEN, metrics="*")
                loggers.append(Tracker(page))
    return loggers


class TensorBoard:
    """Event files in the folder of a run, as the backend of a tracker."""

    title = "TensorBoard"

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.folder, self.options = folder, options

    def start(self) -> None:
        self.logger = TensorBoardLogger(self.folder, name="", version="tensorboard", **self.options)

    def log_metrics(self, metrics: dict[str, float], step: int | None) -> None:
        self.logger.log_metrics(metrics, step)

    def log_picture(self, name: str, path: Path, step: int) -> None:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        self.logger.experiment.add_image(name, pixels, step, dataformats="HWC")

    def finish(self) -> None:
        self.logger.finalize("success")

    def release(self) -> None:
        """Do nothing: its threads end with the process."""

    def place(self) -> str:
        return ""

    def remedy(self) -> str:
        return ""


def require_loggers(choices: dict[str, Any]) -> None:
    """Refuse a logger whose package is not installed."""
    if "tensorboard" in choices and find_spec("tensorboard") is None:
        raise UserError("logger=tensorboard needs TensorBoard: pip install tensorboard")
