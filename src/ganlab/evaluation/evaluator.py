"""The evaluator: measures a generator with several metrics, and records the protocol of each value."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ganlab.arguments import Natural, Several, checked
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.evaluation.result import EvaluationResult
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import frechet_distance
from ganlab.metrics.generated import Generated
from ganlab.metrics.metric import Metric
from ganlab.metrics.reals import Reals

log = logging.getLogger(__name__)


class ImageSource(Protocol):
    """What is measured: a system, or a folder of images, that yields seeded batches of uint8 images (N, C, H, W)."""

    @property
    def device(self) -> torch.device:
        """Where it generates."""

    def generation_batch(self, index: int, size: int, seed: int) -> Tensor:
        """Return batch ``index`` of a seed's endless samples."""

    def generation_labels(self, index: int, size: int, seed: int) -> Tensor | None:
        """Return the classes (size,) of this batch; None without classes."""

    def sampling_protocol(self) -> dict[str, Any]:
        """Return how the samples are made."""


@checked
class Evaluator:
    """Measures a generator with ``count`` samples, drawn in batches of ``batch_size`` that the processes share.

    Args:
        metrics: by the name of their config file.
        features: the feature network that they share; None if none needs one.
        count: generated images, and real ones for metrics that take a sample of them.
        batch_size: images of one generation batch; part of the protocol, since batch norm may depend on it.
        seed: of the latents and of the sample of real images.
        best: the value that chooses best.ckpt; None for FID, else for the first value that may.

    Raises:
        UserError: ``best`` is not measured.

    Attributes:
        score_name: the value that chooses best.ckpt; None if no value may.
        warnings: of metrics, by the name of their config file.
        pictures: drawn by metrics in the last measurement, by the name of their config file.
    """

    def __init__(
        self,
        metrics: dict[str, Metric],
        features: Features | None,
        count: Several,
        batch_size: Several,
        seed: Natural,
        best: str | None = None,
    ) -> None:
        self.metrics, self.features = metrics, features
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.score_name = self._choose_score(best)
        self.warnings: dict[str, str] = {}
        self.pictures: dict[str, Tensor] = {}
        self._source: dict[str, Any] = {}
        self._reals: Reals | None = None
        self._real_halves: dict[str, float] | None = None

    @property
    def wants_held_out(self) -> bool:
        """Whether a metric looks at real images that the generator was not trained on."""
        return any(metric.wants_held_out for metric in self.metrics.values())

    def prepare_reals(
        self,
        pack: Pack,
        device: torch.device | str = "cpu",
        held_out: Callable[[], Pack | None] | None = None,
        split: str | None = None,
    ) -> None:
        """Show the real images to the metrics, on rank 0 alone and before the other ranks start.

        Args:
            pack: the real images, next to which features and statistics are cached.
            device: of the feature network.
            held_out: finds images that the generator was not trained on; called if a metric wants them.
            split: of the data, if they have several.
        """
        self._reals, self._real_halves = self._reals_of(pack, device), None
        if held_out is not None and self.wants_held_out and (others := held_out()) is not None:
            self._reals.held_out = self._reals_of(others, device)
        for metric in self.metrics.values():
            metric.to(self._reals.device)
            metric.take_reals(self._reals)
        manifest = pack.manifest
        split = split or manifest["fingerprint"].get("split", "all")
        self._source = {"pack": manifest["key"], "data": manifest["source"], "split": split}
        self.warnings = self._small_samples(len(pack))
        for warning in dict.fromkeys(self.warnings.values()):
            log.warning(warning)

    def measure(
        self,
        source: ImageSource,
        rank: int = 0,
        world: int = 1,
        progress: Callable[[int, int], object] | None = None,
        seed: int | None = None,
    ) -> dict[str, float]:
        """Return values by full name, the same on all ranks and for any number of them; every rank must call it.

        Args:
            source: what is measured.
            rank: of this process.
            world: number of processes.
            progress: called with the number of images measured so far, and ``count``.
            seed: of the latents, instead of the evaluator's; the real images stay the same.
        """
        device, seed = metric_device(source.device), self.seed if seed is None else seed
        for metric in self.metrics.values():
            metric.to(device)
            metric.reset()
            metric.take_system(source)
        for index in range(rank, -(-self.count // self.batch_size), world):
            batch = self._generate(source, index, seed, device)
            for metric in self.metrics.values():
                metric.update(batch)
            if progress is not None:
                progress(min((index + 1) * self.batch_size, self.count), self.count)
        values = {name: value for metric in self.metrics.values() for name, value in metric.compute().items()}
        pictures = {name: metric.picture() for name, metric in self.metrics.items()}
        self.pictures = {name: picture for name, picture in pictures.items() if picture is not None}
        for metric in self.metrics.values():
            metric.reset()
        if world > 1:  # only rank 0 holds the real images
            shared = [values]
            torch.distributed.broadcast_object_list(shared, src=0)
            values = shared[0]
        return values

    def evaluate(self, source: ImageSource, title: str, repeats: int = 1) -> EvaluationResult:
        """Measure ``repeats`` times, with consecutive seeds of the latents and a progress bar named ``title``."""
        halves, found = self.real_halves(), list[dict[str, float]]()
        with tqdm(total=repeats * self.count, desc=title, unit=" samples", disable=None) as bar:
            for seed in range(self.seed, self.seed + repeats):
                found.append(
                    self.measure(source, progress=lambda done, _: bar.update(done - bar.n % self.count), seed=seed)
                )
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
        shared = {
            **self._source,
            "fake": self.count,
            "generation_batch": self.batch_size,
            "seed": self.seed,
            **source.sampling_protocol(),
        }
        records: dict[str, dict[str, Any]] = {}
        for key, metric in self.metrics.items():
            warning, own = {"warning": self.warnings[key]} if key in self.warnings else {}, metric.protocol()
            # a metric's own entries come first, and prevail
            records |= {name: own | shared | own | warning for name in metric.names}
        return records

    def real_halves(self) -> dict[str, float]:
        """Return, by full name, the FID between two seeded halves of the real images; empty if FID is not measured."""
        if "fid" not in self.metrics or self.features is None or self._reals is None:
            return {}
        if self._real_halves is None:
            first, second = self._reals.halves(self.features.to(self._reals.device))
            self._real_halves = {f"fid_{self.features.name}": frechet_distance(first, second)}
        return self._real_halves

    def improves(self, value: float, best: float) -> bool:
        """Return whether a score is better than the best so far."""
        return value > best if self.score_rises else value < best

    @property
    def score_rises(self) -> bool:
        """Whether a higher score is better."""
        return any(metric.higher_is_better and self.score_name in metric.names for metric in self.metrics.values())

    def _generate(self, source: ImageSource, index: int, seed: int, device: torch.device) -> Generated:
        images = source.generation_batch(index, size=self.batch_size, seed=seed)
        labels = source.generation_labels(index, size=self.batch_size, seed=seed)
        indices = torch.arange(index * self.batch_size, min((index + 1) * self.batch_size, self.count), device=device)
        if labels is not None:
            labels = labels[: len(indices)].to(device)
        return Generated(images[: len(indices)].to(device), self.features, indices, labels)

    def _reals_of(self, pack: Pack, device: torch.device | str) -> Reals:
        return Reals(pack, self.count, self.batch_size, self.seed, metric_device(torch.device(device)))

    def _choose_score(self, best: str | None) -> str | None:
        names = [name for m in self.metrics.values() if m.higher_is_better is not None for name in m.names]
        if best is None:
            return min(names, key=lambda name: not name.startswith("fid_"), default=None)
        if best not in names:
            raise UserError(f"metrics.best={best} is not measured; choose {' or '.join(names) or 'null'}")
        return best

    def _small_samples(self, real: int) -> dict[str, str]:
        """Return a warning for each metric whose covariance has more dimensions than images."""
        dimensions = self.features.num_features if self.features is not None else 0
        warnings = {}
        for key, metric in self.metrics.items():
            count = metric.fitted(min(self.count, real))
            if count is not None and count < dimensions:
                more = -(-self.count * dimensions // max(count, 1)) if count < real else dimensions
                warnings[key] = (
                    f"{metric.names[0]} from {count} images is unreliable, its covariance has {dimensions} dimensions: "
                    f"set metrics.count={more} or more, with as many real images"
                )
        return warnings


def metric_device(device: torch.device) -> torch.device:
    """Return the CPU instead of MPS, which has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
