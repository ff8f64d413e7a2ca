"""Where numbers and pictures go: a CSV file always, W&B and TensorBoard by choice."""

import csv
import io
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
from ganlab.files import write_text_atomically
from ganlab.runs.folder import table
from ganlab.runs.ranks import rank


class MetricsFile(Logger):
    """``metrics.csv``: one row for each number of images seen at which anything was logged, that number first.

    The file is whole at any moment. A new column appears with its first value.

    Args:
        path: the file, continued where it exists.
        writer: writes it while training goes on; None to write it at once.
    """

    def __init__(self, path: Path, writer: Writer | None = None) -> None:
        super().__init__()
        self.path, self.writer = path, writer
        self.columns = ["images_seen"]
        self.rows: list[dict[str, str]] = []
        if path.is_file():
            reader = csv.DictReader(io.StringIO(path.read_text()))
            self.rows, self.columns = list(reader), list(reader.fieldnames or self.columns)
        self.settled, self.settled_rows = "", 0  # text of all rows but the last, which may still grow
        self.due = False  # whether a job that writes all of this is still to begin
        self.lock = Lock()

    @property
    def name(self) -> str:
        """Lightning asks for a name."""
        return "metrics"

    @property
    def version(self) -> str:
        """Lightning asks for a version."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add values to the row of ``metrics["images_seen"]``."""
        row = {name: f"{value:.8g}" for name, value in metrics.items()} | {"images_seen": str(step)}
        with self.lock:
            if self.rows and self.rows[-1]["images_seen"] == row["images_seen"]:
                self.rows[-1] |= row
            else:
                self.rows.append(row)
            if new := [name for name in row if name not in self.columns]:
                self.columns += new
                self.settled_rows = 0
            waiting, self.due = self.due, True
        if self.writer is None:
            self.write()
        elif not waiting:
            self.writer.submit(self.write)

    def write(self) -> None:
        """Write the rows that there are by now."""
        with self.lock:
            self.due = False
            if self.settled_rows == 0:
                self.settled = table([self.columns])
            last = len(self.rows) - 1
            self.settled += self.text(self.rows[self.settled_rows : last])
            self.settled_rows = last
            whole = self.settled + self.text(self.rows[last:])
        write_text_atomically(self.path, whole)

    def text(self, rows: list[dict[str, str]]) -> str:
        """Return rows as lines of the file."""
        return table([[row.get(name, "") or "" for name in self.columns] for row in rows])

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration stands in ``config.yaml``."""


def build_loggers(
    choices: dict[str, Any], folder: Path, metrics: Path, config: dict[str, Any], run_id: str, writer: Writer
) -> list[Logger]:
    """Return the loggers of a run: the CSV file, and those of the ``logger`` group."""
    loggers: list[Logger] = [MetricsFile(metrics, writer)]
    for name, options in choices.items():
        loggers.append(LOGGERS[name](folder, config, run_id, **options))
    return loggers


def wandb_logger(folder: Path, config: dict[str, Any], run_id: str, **options: Any) -> WandbLogger:
    """Return a W&B logger, online where the user is logged in and offline elsewhere, without asking or hanging."""
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
    logger._wandb_init.pop("anonymous", None)  # Lightning passes it on, and wandb warns that it has no effect
    run = logger.experiment
    if rank() == 0:
        run.config.update(config, allow_val_change=True)
        run.define_metric("images_seen")
        run.define_metric("*", step_metric="images_seen")
    return logger


def wandb_mode() -> str:
    """Return ``online`` where the user is logged in else ``offline``; or what WANDB_MODE says."""
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
