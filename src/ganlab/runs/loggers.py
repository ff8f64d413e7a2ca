"""Loggers: the run's metrics file, W&B and TensorBoard."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from ganlab.callbacks.writer import Writer
from ganlab.errors import UserError
from ganlab.runs.folder import RunFolder
from ganlab.runs.metrics import IMAGES_SEEN, write_csv
from ganlab.runs.ranks import rank


class MetricsLog(Logger):
    """Appends every log call as a line to ``metrics.jsonl``; at the end of training, however it ends, writes the CSV.

    ``writer`` appends in the background, in order; without one, lines are appended at once.
    """

    def __init__(self, path: Path, writer: Writer | None = None) -> None:
        super().__init__()
        self.path, self.writer = path, writer
        self.lines: list[str] = []  # not yet appended
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
            first = len(self.lines) == 1
        if self.writer is None:
            self.append()
        elif first:  # else a job is waiting that will append this line too
            self.writer.submit(self.append)

    def append(self) -> None:
        with self.lock:
            lines, self.lines = self.lines, []
        with self.path.open("a") as file:
            file.writelines(lines)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self.path.is_file():
            try:
                write_csv(self.path)
            except OSError as error:  # must not hide the error that ended training
                command = f"python -m ganlab.runs.metrics {self.path.parent}"
                print(f"warning: metrics.csv could not be written ({error.strerror}): {command}", file=sys.stderr)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration is in ``config.yaml``."""


def build_loggers(folder: RunFolder, config: dict[str, Any], run_id: str, writer: Writer) -> list[Logger]:
    """Return the loggers of a run: its metrics file, and those of the ``logger`` group."""
    chosen = [LOGGERS[name](folder.path, config, run_id, **options) for name, options in config["logger"].items()]
    return [MetricsLog(folder.metrics, writer), *chosen]


def wandb_logger(folder: Path, config: dict[str, Any], run_id: str, **options: Any) -> WandbLogger:
    """Return a W&B logger, see `wandb_mode`, that neither asks for a login nor hangs."""
    import wandb

    sweep = os.environ.get("WANDB_RUN_GROUP")
    logger = WandbLogger(
        name=f"{sweep}/{config['run']}" if sweep else str(config["run"]),
        save_dir=folder,
        id=run_id,
        resume="allow",
        mode=wandb_mode(),
        settings=wandb.Settings(silent=True, init_timeout=30),
        **options,
    )
    logger._wandb_init.pop("anonymous")  # Lightning always passes it on, which wandb warns about; no public way round
    run = logger.experiment
    if rank() == 0:
        run.config.update(config, allow_val_change=True)
        run.define_metric("images_seen")
        run.define_metric("*", step_metric="images_seen")
    return logger


def wandb_mode() -> str:
    """Return ``online`` if the user is logged in and ``offline`` otherwise; WANDB_MODE overrides both."""
    import wandb

    mode = os.environ.get("WANDB_MODE", "online")
    if mode != "online":
        return "offline" if mode == "dryrun" else mode
    try:
        return "online" if wandb.login(prompt=False) else "offline"
    except Exception as error:  # wandb raises many kinds for an unreachable or refusing server
        print(f"warning: W&B cannot be reached ({str(error).splitlines()[0]}): recording offline", file=sys.stderr)
        return "offline"


def tensorboard_logger(folder: Path, config: dict[str, Any], run_id: str, **options: Any) -> TensorBoardLogger:
    """Return a TensorBoard logger that writes into the run's folder."""
    return TensorBoardLogger(folder, name="", version="tensorboard", **options)


def require_loggers(choices: dict[str, Any]) -> None:
    """Refuse a logger whose package is not installed."""
    if "tensorboard" in choices and find_spec("tensorboard") is None:
        raise UserError("logger=tensorboard needs TensorBoard: pip install tensorboard")


LOGGERS = {"wandb": wandb_logger, "tensorboard": tensorboard_logger}
