"""W&B: the page of a run, or its offline recording, as the backend of a tracker."""

import json
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from ganlab.callbacks.tracker import LIMIT, shorten
from ganlab.errors import one_line

UNFINISHED = "unfinished"  # a file that marks a recording which is not completely uploaded


class WandbPage:
    """The page of a run on W&B; offline, a recording in ``folder``.

    ``metrics`` is a pattern of names, ``axis`` the name of their x axis. ``config`` is shown with the run.
    """

    title = "W&B"

    def __init__(
        self, folder: Path, run_id: str, options: dict[str, Any], config: dict[str, Any], *, axis: str, metrics: str
    ) -> None:
        self.folder, self.config, self.axis, self.metrics = folder, config, axis, metrics
        self.options = encodable(options) | {"id": run_id, "dir": folder, "resume": "allow"}
        self.recording: Path | None = None  # the folder of this start
        self.url: str | None = None  # None offline

    def start(self) -> None:
        os.fspath(self.folder.absolute()).encode()  # of another name wandb prints tracebacks
        mode: Any = wandb_mode()
        prepare(self.folder.absolute() / "wandb")
        import wandb

        silent = wandb.Settings(silent=True)
        # The service gives up before the tracker does, so that it can end in good order.
        settings = wandb.Settings(silent=True, init_timeout=30, finish_timeout=LIMIT - 10, finish_timeout_raises=True)
        wandb.setup(silent)
        try:
            if mode != "offline" and not wandb.login(prompt=False, verify=False):
                mode = "offline"
            run = wandb.init(mode=mode, settings=settings, **self.options)
        except Exception as error:  # of many kinds, if the server refuses the run or cannot be reached
            if mode == "offline":
                raise
            print(f"warning: W&B does not take this run ({shorten(error)}): recording offline", file=sys.stderr)
            wandb.teardown()  # its service would refuse a second run of this id
            wandb.setup(silent)
            run = wandb.init(mode="offline", settings=settings, **self.options)
        self.url = run.url
        kind = "run" if self.url else "offline-run"
        self.recording = max(self.folder.glob(f"wandb/{kind}-*"), key=os.path.getmtime)  # run.dir takes the server's id
        (self.recording / UNFINISHED).touch()
        run.config.update(encodable(self.config), allow_val_change=True)
        run.define_metric(self.axis)
        run.define_metric(self.metrics, step_metric=self.axis)
        self.logger = WandbLogger(experiment=run)

    def log_metrics(self, metrics: dict[str, float], step: int | None) -> None:
        self.logger.log_metrics(metrics, step)

    def log_picture(self, name: str, path: Path, step: int) -> None:
        self.logger.log_image(name, [str(path)], step)

    def finish(self) -> None:
        try:
            self.logger.experiment.finish()
            if self.url and self.recording:
                (self.recording / UNFINISHED).unlink()
        finally:
            self.release()

    def release(self) -> None:
        import wandb

        wandb.teardown()  # else it waits for its service at exit, without limit

    def place(self) -> str:
        if self.url:
            earlier = self._sync_command(without=self.recording)
            return f"{self.url}; to upload earlier parts: {earlier}" if earlier else self.url
        return f"recorded offline; {self.remedy()}"

    def remedy(self) -> str:
        command = self._sync_command()
        return f"to upload: {command}" if command else ""

    def _sync_command(self, without: Path | None = None) -> str:
        """Return the command that uploads what all starts of the run recorded and nobody uploaded; "" if nothing."""
        found = []
        for file in sorted(self.folder.absolute().glob("wandb/*run-*/*.wandb")):
            offline, synced = file.parent.name.startswith("offline-"), file.with_name(f"{file.name}.synced")
            if file.parent != without and not synced.exists() and (offline or (file.parent / UNFINISHED).exists()):
                found.append(str(file.parent))
        return shlex.join(["wandb", "sync", *found]) if found else ""


def wandb_mode() -> str:
    """Return ``online`` (the default), ``offline``, ``shared`` or ``disabled``, and write it to WANDB_MODE.

    wandb itself accepts neither an empty WANDB_MODE nor other words.
    """
    asked = os.environ.get("WANDB_MODE", "").strip().lower()
    mode = {"": "online", "run": "online", "dryrun": "offline"}.get(asked, asked)
    if mode not in ("online", "offline", "shared", "disabled"):
        line = f"warning: WANDB_MODE={asked} is not online, offline or disabled: W&B records offline"
        print(one_line(line), file=sys.stderr)
        mode = "offline"
    os.environ["WANDB_MODE"] = mode
    return mode


def prepare(folder: Path) -> None:
    """Keep wandb from what would hold a run or flood its terminal.

    Error reports delay the exit where W&B cannot be reached. asyncio warns of each write to a service that has crashed.
    Without a writable cache the service prints its log, and without any home wandb does not start; then ``folder``
    serves as both.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    if os.path.expanduser("~") == "~":
        os.environ |= {name: str(folder) for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR")}
        return
    from wandb.env import get_cache_dir

    try:
        (get_cache_dir() / "logs").mkdir(parents=True, exist_ok=True)
    except OSError:
        os.environ["WANDB_CACHE_DIR"] = str(folder)


def encodable(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain containers with ``?`` for what UTF-8 cannot encode, such as parts of file names in no encoding."""
    found: dict[str, Any] = json.loads(json.dumps(values, ensure_ascii=False, default=str).encode(errors="replace"))
    return found
