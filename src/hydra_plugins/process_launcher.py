"""Hydra launcher of ``ganlab.sweeps.sweep``; Hydra finds launchers only in a folder of this name on ``sys.path``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGINT
from tempfile import TemporaryDirectory
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, read_write

from ganlab.configuration.recipes import Variants, add_recipe, expand_variants
from ganlab.errors import UserError
from ganlab.sweeps.devices import DevicePool
from ganlab.sweeps.job import Job, override_key
from ganlab.sweeps.sweep import Sweep
from ganlab.sweeps.table import write_report


class ProcessLauncher(Launcher, Callback):
    """Runs every job of ``-m`` as ``python <this script> <overrides> outputs=<sweep folder> run=<number>``.

    Each job is a process without ``-m``, so what it starts again with its own command line, such as other DDP ranks, is
    the job and not the sweep.
    """

    def __init__(
        self, devices: Sequence[int | str] | None = None, jobs_per_device: int = 1, variants: Variants | None = None
    ) -> None:
        self.devices, self.jobs_per_device, self.variants = devices, jobs_per_device, variants or {}
        self.sweep: Sweep | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store what the sweeper passes before it defines the jobs."""
        self.loader, self.config = hydra_context.config_loader, config
        self.conf = next(Path(each.path) for each in config.hydra.runtime.config_sources if each.provider == "main")
        self.composed: dict[tuple[str, ...], DictConfig] = {}
        self.groups: dict[str, bool] = {}
        hydra_context.callbacks.callbacks.append(self)  # only callbacks are called after the last batch of jobs
        # Sweepers write multirun.yaml into this folder before they launch jobs; our record is jobs.yaml.
        self.scratch = TemporaryDirectory()
        self._set_sweep_dir(self.scratch.name)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run a batch of jobs; the return values are their scores."""
        sweep = self.sweep = self.sweep or self._make_sweep()
        self._set_sweep_dir(str(sweep.folder))  # where sweepers write their results
        jobs = [self._job(number, list(each), sweep) for number, each in enumerate(job_overrides, initial_job_idx)]
        try:
            scores = sweep.run(jobs)
        except KeyboardInterrupt as stop:
            sweep.report()
            print(f"stopped; the same command with name={self.config.name} continues", file=sys.stderr)
            sys.exit(128 + next(iter(stop.args), SIGINT))
        # Failed jobs have no score but count as completed: else Hydra's basic sweeper would drop all later batches.
        return [
            JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED, _return_value=score)
            for job, score in zip(jobs, scores, strict=True)
        ]

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table and write the report; exit with code 1 if a job failed."""
        if self.sweep is not None:
            self.sweep.report()
            print("seeds taken together:", *write_report(self.sweep.folder))
            if self.sweep.failed:
                sys.exit(1)

    def _make_sweep(self) -> Sweep:
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for short, flag in (("-cp", "--config-path"), ("-cn", "--config-name"), ("-cd", "--config-dir")):
            parser.add_argument(short, flag, dest=flag)
        given, _ = parser.parse_known_args()  # Hydra's flags that a job needs too
        command = [sys.executable, sys.argv[0], *(word for pair in vars(given).items() if pair[1] for word in pair)]
        folder = Path(self.config.outputs) / str(self.config.name)
        return Sweep(folder, command, DevicePool(self.devices, self.jobs_per_device))

    def _job(self, number: int, overrides: list[str], sweep: Sweep) -> Job:
        config = self._composed(overrides)
        if any(override_key(each) == "run" for each in overrides):
            raise UserError(f"run={config.run} names a single run, but -m makes several; type name={config.run}")
        if config.outputs != self.config.outputs or config.name != self.config.name:
            raise UserError("name= and outputs= say where the whole sweep goes; give each a single value")
        accelerator, devices = (OmegaConf.select(config, f"trainer.{key}") for key in ("accelerator", "devices"))
        own = tuple(each for each in overrides if override_key(each) not in ("name", "outputs"))
        return Job(number, own, sweep.pool.demand(accelerator, devices))

    def _composed(self, overrides: list[str]) -> DictConfig:
        """Return the configuration of a job, or of an earlier job that differs only in plain values, such as the seed.

        Composing takes a quarter of a second, and plain values change neither the keys nor the devices.
        The job's own process adds the recipe and expands variants again, and records both.
        """
        overrides = expand_variants(add_recipe(overrides, self.conf)[0], self.variants)
        keys = [override_key(each) for each in overrides]
        alike = tuple(key if self._plain(key) else each for key, each in zip(keys, overrides, strict=True))
        if alike not in self.composed:
            self.composed[alike] = self.loader.load_sweep_config(self.config, overrides)
        return self.composed[alike]

    def _plain(self, key: str) -> bool:
        if key not in self.groups:
            self.groups[key] = bool(self.loader.get_group_options(key))
        return not self.groups[key] and not key.startswith(("trainer.", "hydra.")) and key not in ("outputs", "name")

    def _set_sweep_dir(self, folder: str) -> None:
        with read_write(self.config.hydra.sweep):
            self.config.hydra.sweep.dir = folder
