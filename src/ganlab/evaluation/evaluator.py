"""The evaluator: measures a generator with several metrics, and records the protocol of each value."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ganlab.arguments import Natural, Several, checked
from ganlab.data.packs.pack import Pack
from ganlab.data.references import Reference
from ganlab.errors import UserError
from ganlab.evaluation.result import EvaluationResult
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import frechet_distance
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Metric
from ganlab.metrics.reals import Reals
from ganlab.systems.request import BLOCK, Request

log = logging.getLogger(__name__)


class ImageSource(Protocol):
    """What is measured: a system, or a folder of images instead of its samples."""

    @property
    def device(self) -> torch.device:
        """Where it generates."""

    def respond(self, request: Request, seed: int, task: str = "") -> Tensor:
        """Return the images of a request, uint8 (N, C, H, W)."""

    def labels_for(self, request: Request, seed: int) -> Tensor | None:
        """Return the classes (N,) of these images; None without classes."""

    def sampling_protocol(self) -> dict[str, Any]:
        """Return how the samples are made."""


@checked
class Evaluator:
    """Measures a generator with ``count`` images of each task, in batches that the processes share.

    A metric's values have its full names, such as ``fid_inception``; those of a named task end in it, such as
    ``fid_inception/a_to_b``. ``UserError`` if ``best`` is not measured, or a metric does not fit these references.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],  # by the name of their config file, ``fid``, or for a named task ``fid/a_to_b``
        references: Mapping[str, Reference],  # of each task; with inputs, no more images than inputs are generated
        features: Features | None,
        count: Several,  # generated images, and real ones for metrics that take a sample of them
        batch_size: Several,  # bounds memory and changes values by float32's rounding only
        seed: Natural,  # of the latents, the order of the inputs, and the sample of real images
        best: str | None = None,  # the value that chooses best.ckpt; None for FID, else for the first that may
    ) -> None:
        self.metrics, self.references, self.features = metrics, references, features
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.inputs: dict[str, np.ndarray] = {}  # which ones are shown, in their order, of tasks that have inputs
        for task, reference in references.items():
            if shown := reference.shown(np.arange(1)):
                self.inputs[task] = np.random.default_rng(seed).permutation(reference.count)[:count]
            for key in metrics:
                if task_of(key) == task:
                    metrics[key].require(shown)
        self.score_name = self._choose_score(best)  # the value that chooses best.ckpt; None if no value may
        self.warnings: dict[str, str] = {}  # by the metric's key
        self.pictures: dict[str, Tensor] = {}  # drawn in the last measurement, by the metric's key
        self._sources: dict[str, dict[str, Any]] = {}
        self._reals: dict[str, Reals] = {}
        self._real_halves: dict[str, float] | None = None

    @property
    def wants_held_out(self) -> bool:
        """Whether a metric looks at real images that the generator was not trained on."""
        return any(metric.wants_held_out for metric in self.metrics.values())

    def prepare_reals(
        self,
        device: torch.device | str = "cpu",
        held_out: Callable[[], Pack | None] | None = None,
        split: str | None = None,
    ) -> None:
        """Show the real images to the metrics, on rank 0 alone and before the other ranks start.

        ``held_out`` is called if a metric wants unseen real images and the only task is to generate images.
        """
        target, self._real_halves = metric_device(torch.device(device)), None
        for task, reference in self.references.items():
            manifest = reference.reals.manifest
            part = split or manifest["fingerprint"].get("split", "all")
            self._sources[task] = {"pack": manifest["key"], "data": manifest["source"], "split": part}
            size = self.count_of(task), self.batch_size, self.seed
            self._reals[task] = Reals(reference.reals, *size, target)
        if held_out is not None and self.wants_held_out and [*self._reals] == [""] and (others := held_out()):
            self._reals[""].held_out = Reals(others, self.count, self.batch_size, self.seed, target)
        for key, metric in self.metrics.items():
            metric.to(target)
            metric.take_reals(self._reals[task_of(key)])
        self.warnings = self._small_samples()
        for warning in dict.fromkeys(self.warnings.values()):
            log.warning(warning)

    def measure(
        self,
        source: ImageSource,
        rank: int = 0,
        world: int = 1,
        progress: Callable[[int, int], object] | None = None,  # called with the images measured so far, and of all
        seed: int | None = None,  # of the latents, instead of the evaluator's; the real images stay the same
    ) -> dict[str, float]:
        """Return values by full name, the same on all ranks and for any number of them; every rank must call it."""
        device, seed = metric_device(source.device), self.seed if seed is None else seed
        for metric in self.metrics.values():
            metric.to(device)
            metric.reset()
            metric.take_system(source, seed)
        before = 0
        for task in self.references:
            metrics, count = [one for key, one in self.metrics.items() if task_of(key) == task], self.count_of(task)
            for start in range(rank * self.batch_size, count, world * self.batch_size):
                batch = self._generate(source, task, slice(start, min(start + self.batch_size, count)), seed, device)
                for metric in metrics:
                    metric.update(batch)
                if progress is not None:
                    progress(before + min(start + self.batch_size, count), self.total)
            before += count
        values: dict[str, float] = {}
        self.pictures = {}
        for key, metric in self.metrics.items():
            values |= {name + suffix_of(key): value for name, value in metric.compute().items()}
            if (picture := metric.picture()) is not None:
                self.pictures[key] = picture
            metric.reset()
        if world > 1:  # only rank 0 holds the real images
            torch.distributed.broadcast_object_list(shared := [values], src=0)
            return shared[0]
        return values

    def evaluate(self, source: ImageSource, title: str, repeats: int = 1) -> EvaluationResult:
        """Measure ``repeats`` times, with consecutive seeds of the latents and a progress bar named ``title``."""
        halves = self.real_halves()
        with tqdm(total=repeats * self.total, desc=title, unit=" samples", disable=None) as bar:

            def advance(done: int, _: int) -> None:
                bar.update(done - bar.n % self.total)

            found = [self.measure(source, progress=advance, seed=self.seed + number) for number in range(repeats)]
        columns = {name: np.array([values[name] for values in found]) for name in found[0]}
        repeated = {"repeats": repeats} if repeats > 1 else {}
        return EvaluationResult(
            {name: float(column.mean()) for name, column in columns.items()},
            {name: float(column.std(ddof=1)) for name, column in columns.items()} if repeats > 1 else {},
            {name: record | repeated for name, record in self.protocol(source).items()},
            halves,
        )

    def protocol(self, source: ImageSource) -> dict[str, dict[str, Any]]:
        """Return, by full name, what must be equal for two values to be comparable; complete after ``measure``."""
        records: dict[str, dict[str, Any]] = {}
        for key, metric in self.metrics.items():
            shared = self._sources.get(task_of(key), {}) | {"fake": self.count_of(task_of(key))}
            shared |= {"generation_batch": BLOCK, "seed": self.seed, **source.sampling_protocol()}
            warning, own = {"warning": self.warnings[key]} if key in self.warnings else {}, metric.protocol()
            # a metric's own entries come first, and prevail
            records |= {name: own | shared | own | warning for name in self._names(key)}
        return records

    def real_halves(self) -> dict[str, float]:
        """Return, by full name, the FID between two seeded halves of the real images; empty if FID is not measured."""
        if self._real_halves is None:
            self._real_halves = {}
            for key in self.metrics:
                if key.partition("/")[0] == "fid" and self.features is not None and self._reals:
                    reals = self._reals[task_of(key)]
                    halves = reals.halves(self.features.to(reals.device))
                    self._real_halves[self._names(key)[0]] = frechet_distance(*halves)
        return self._real_halves

    def improves(self, value: float, best: float) -> bool:
        """Return whether a score is better than the best so far."""
        return value > best if self.score_rises else value < best

    @property
    def score_rises(self) -> bool:
        """Whether a higher score is better."""
        return any(one.higher_is_better and self.score_name in self._names(key) for key, one in self.metrics.items())

    def count_of(self, task: str) -> int:
        """Return the number of images that are generated for a task."""
        return len(self.inputs[task]) if task in self.inputs else self.count

    @property
    def total(self) -> int:
        """The number of images of all tasks."""
        return sum(map(self.count_of, self.references))

    def _generate(self, source: ImageSource, task: str, rows: slice, seed: int, device: torch.device) -> Generated:
        inputs = self.inputs.get(task)
        shown: dict[str, Any] = {} if inputs is None else dict(self.references[task].shown(inputs[rows]))
        request = Request(torch.arange(rows.start, rows.stop), **shown)
        images, labels = source.respond(request, seed, task), source.labels_for(request, seed)
        pictures = (None if one is None else one.to(device) for one in (labels, request.targets, request.masks))
        return Generated(images.to(device), self.features, request.indices.to(device), *pictures)

    def _names(self, key: str) -> list[str]:
        return [name + suffix_of(key) for name in self.metrics[key].names]

    def _choose_score(self, best: str | None) -> str | None:
        names = [name for key, m in self.metrics.items() if m.higher_is_better is not None for name in self._names(key)]
        if best is None:
            return min(names, key=lambda name: not name.startswith("fid_"), default=None)
        if best not in names:
            raise UserError(f"metrics.best={best} is not measured; choose {' or '.join(names) or 'null'}")
        return best

    def _small_samples(self) -> dict[str, str]:
        """Return a warning for each metric whose covariance has more dimensions than images."""
        dimensions = self.features.num_features if self.features is not None else 0
        warnings = {}
        for key, metric in self.metrics.items():
            real = len(self._reals[task_of(key)].pack)
            count = metric.fitted(min(self.count_of(task_of(key)), real))
            if count is not None and count < dimensions:
                more = -(-self.count * dimensions // max(count, 1)) if count < real else dimensions
                warnings[key] = (
                    f"{self._names(key)[0]} from {count} images is unreliable, its covariance has {dimensions} "
                    f"dimensions: set metrics.count={more} or more, with as many real images"
                )
        return warnings


def task_of(key: str) -> str:
    """Return the task of a metric's key: ``a_to_b`` of ``fid/a_to_b``, empty for ``fid``."""
    return key.partition("/")[2]


def suffix_of(key: str) -> str:
    """Return what the names of a key's values end in: ``/a_to_b`` of ``fid/a_to_b``, empty for ``fid``."""
    return "".join(key.partition("/")[1:])


def metric_device(device: torch.device) -> torch.device:
    """Return the CPU instead of MPS, which has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
