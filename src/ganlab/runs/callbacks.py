"""The callbacks of a run, in their order."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch

from ganlab.callbacks.checkpoints import Checkpoints
from ganlab.callbacks.diagnostics import Diagnostics
from ganlab.callbacks.evaluations import Evaluations
from ganlab.callbacks.metric_logger import MetricLogger
from ganlab.callbacks.progress import SMALL, Outlook, Progress
from ganlab.callbacks.sample_statistics import SampleStatistics
from ganlab.callbacks.samples import Samples
from ganlab.callbacks.signals import Signals
from ganlab.callbacks.stop import StopAtImages
from ganlab.callbacks.summary import Summary
from ganlab.callbacks.writer import Writer
from ganlab.configuration.commands import command, placed
from ganlab.data.batches import channels_first
from ganlab.data.module import ImageDataModule
from ganlab.data.packs.order import EndlessOrder
from ganlab.data.packs.pack import Pack
from ganlab.runs.build import build_metrics
from ganlab.runs.folder import RunFolder
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.request import Request

GRID = 64  # pictures of a preview
PAIRS = 16  # of which each stands next to its input and its truth
LOOK = 128  # samples that diagnostics compare with as many real images


@dataclass(frozen=True)
class Watch:
    """The callbacks of a run, and some of them by name."""

    callbacks: list[L.Callback]  # a checkpoint comes after everything whose state it holds
    evaluations: Evaluations | None  # None without metrics
    writer: Writer
    signals: Signals


def build_callbacks(
    folder: RunFolder, config: dict[str, Any], data: ImageDataModule, system: AdversarialSystem, length: int | None
) -> Watch:
    """Return the callbacks of a run of ``length`` images; None for a run without end."""
    every, pack = config["every"], data.pack
    reals = channels_first(pack.images[first_rows(pack, config["seed"], GRID)])
    metric_logger, signals, writer = MetricLogger(every["log"]), Signals(), Writer()
    checkpoints = Checkpoints(folder.checkpoints, config, every["checkpoint"], every["keep"], signals, writer)
    requests = preview_requests(data, system)
    small = small_command(config["data"]) if "images" in system.learns_from else ""
    evaluations = diagnostics = None
    references = {task: data.reference(task) for task in system.tasks()}
    if evaluator := build_metrics(config, references):
        evaluations = Evaluations(evaluator, folder.checkpoints, every["metrics"], checkpoints.poll)
    if config["diagnostics"]["on_trouble"]:
        samples = sample_statistics(data, system, requests)
        watched = (every["diagnostics"], metric_logger, evaluations, checkpoints)
        diagnostics = Diagnostics(samples, *watched, **config["diagnostics"])
    callbacks = [
        signals,
        metric_logger,
        Progress(length, metric_logger, evaluations),
        Outlook(str(config.get("experiment")), length, small),
        Samples(folder.samples, reals, requests, every["samples"], writer),
        evaluations,
        diagnostics,
        StopAtImages(length),
        writer,
        checkpoints,
        Summary(folder.summary, evaluations, diagnostics),  # marks a finished run: what it ends with is on the disk
    ]
    return Watch([callback for callback in callbacks if callback], evaluations, writer, signals)


def preview_requests(data: ImageDataModule, system: AdversarialSystem) -> dict[str, Request]:
    """Return the request of each task's preview: indices from 0, or pictures evenly spaced over the data."""
    requests = {}
    for task in system.tasks():
        reference = data.reference(task)
        shown = reference.shown(np.linspace(0, reference.count - 1, min(PAIRS, reference.count)).astype(int))
        requests[task] = Request.first(len(next(iter(shown.values()))) if shown else GRID, **shown)
    return requests


def sample_statistics(
    data: ImageDataModule, system: AdversarialSystem, requests: dict[str, Request]
) -> list[SampleStatistics]:
    """Return what diagnostics compare: for each task, samples and real images of its target domain."""
    found = []
    for task, request in requests.items():
        pack = data.reference(task).reals
        rows = first_rows(pack, data.seed, LOOK)
        if request.inputs is None:
            labels = torch.from_numpy(pack.labels[rows]) if system.classes and pack.labels is not None else None
            request = Request.first(len(rows), labels=labels)
        found.append(SampleStatistics(channels_first(pack.images[rows]), request, task))
    return found


def first_rows(pack: Pack, seed: int, count: int) -> np.ndarray:
    """Return the rows of the pictures that training sees first, at most ``count``."""
    return EndlessOrder(len(pack), seed).indices(0, min(count, len(pack)))


def small_command(data: dict[str, Any]) -> str:
    """Return the command that trains the small recipe on a data set."""
    root = [f"data.root={placed(Path(data['root']))}"] if data.get("root") else []
    return command("train", f"experiment={SMALL}", f"data={data['name']}", *root)
