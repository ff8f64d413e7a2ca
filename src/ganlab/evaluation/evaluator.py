"""The metrics of a run: what they compare, on which process, and under which protocol their numbers stand."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from ganlab.arguments import Natural, Several, checked
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import frechet_distance
from ganlab.metrics.generated import Generated
from ganlab.metrics.reals import Reals

log = logging.getLogger(__name__)


class Metric(Protocol):
    """A torchmetrics metric that names its values.

    Processes exchange their samples in ``compute``, so all have to call it. Some have more, which is asked for by name:
    ``fitted(count)``, how many of ``count`` images a covariance is fitted to; ``take_system(system)``, called before
    the first batch, for metrics that look at the generator itself; ``picture()``, uint8 (C, H, W) or (N, C, H, W) or
    None, asked for after ``compute``; ``asks``, names of what it would take where the data have it: ``held_out``.
    """

    @property
    def needs(self) -> type[Features] | None:
        """The feature network that the constructor takes first, None for none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The full names of its values."""

    @property
    def higher_is_better(self) -> bool | None:
        """False for values that may choose the best checkpoint."""

    def take_reals(self, reals: Reals) -> None:
        """Remember the real images, in place of earlier ones; ``reset`` keeps them."""

    def update(self, batch: Generated) -> None:
        """Take in generated images."""

    def compute(self) -> dict[str, float]:
        """Return values by full name."""

    def reset(self) -> None:
        """Forget the generated images."""

    def protocol(self) -> dict[str, Any]:
        """Return what has to be equal for two values to be comparable."""

    def to(self, device: torch.device) -> Any:
        """Move to a device."""


class Generating(Protocol):
    """What this package needs of a system: seeded batches of uint8 images (N, C, H, W)."""

    @property
    def device(self) -> torch.device:
        """Where it generates."""

    def generation_batch(self, index: int, size: int, seed: int) -> Tensor:
        """Return batch ``index`` of a seed's endless samples."""

    def generation_labels(self, index: int, size: int, seed: int) -> Tensor | None:
        """Return the classes (size,) that were asked for in this batch; None without classes."""

    def sampling_protocol(self) -> dict[str, Any]:
        """Return how the samples are made."""


@checked
class Evaluation:
    """Measures a generator by ``count`` samples, drawn in batches of ``batch_size`` that the processes share.

    Args:
        metrics: by the name of their config file; values of all of them are named apart.
        features: the network that they share, None if none needs one.
        count: generated images, and real ones where a metric takes a sample of them.
        batch_size: images of one generation batch; part of the protocol, since batch norm may depend on it.
        seed: fixes latents and the sample of real images.
        best: the value that chooses best.ckpt; None takes FID, else the first value that is better when lower.

    Raises:
        UserError: a count, batch size or best that cannot be.
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
        self.metrics = metrics
        self.features = features
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.score_name = self._choose_score(best)
        self.warnings: dict[str, str] = {}  # of metrics, by the name of their config file
        self.pictures: dict[str, Tensor] = {}
        self._source: dict[str, Any] = {}

    def prepare_reals(
        self,
        pack: Pack,
        device: torch.device | str = "cpu",
        held_out: Callable[[], Pack | None] | None = None,
        split: str | None = None,
    ) -> None:
        """Show the real images to the metrics; for one process alone, before the others start.

        What takes long is kept beside the pack, so only the first run on it does. ``held_out`` finds images that the
        generator was not trained on, where a metric asks for them. ``split`` is the data's, where these have several.
        """
        reals = self._reals(pack, device)
        if held_out is not None and self.wants("held_out") and (others := held_out()) is not None:
            reals.held_out = self._reals(others, device)
        for metric in self.metrics.values():
            metric.to(reals.device)
            metric.take_reals(reals)
        manifest = pack.manifest
        split = split or manifest["fingerprint"].get("split", "all")
        self._source = {"pack": manifest["key"], "data": manifest["source"], "split": split}
        self.warnings = self._small_samples(len(pack))
        for warning in dict.fromkeys(self.warnings.values()):
            log.warning(warning)

    def wants(self, what: str) -> bool:
        """Tell whether a metric asks for what not all data have: ``held_out`` images."""
        return any(what in getattr(metric, "asks", ()) for metric in self.metrics.values())

    def measure(
        self,
        system: Generating,
        rank: int = 0,
        world: int = 1,
        progress: Callable[[int, int], None] | None = None,
        seed: int | None = None,
    ) -> dict[str, float]:
        """Return values by full name, equal on all ranks and for any number of them; every rank has to call it.

        ``progress`` is called with the number of images that are through, and ``count``. ``seed`` replaces that of the
        latents alone: the real images stay the same.
        """
        device, seed = _metric_device(system.device), self.seed if seed is None else seed
        for metric in self.metrics.values():
            metric.to(device)
            metric.reset()
            if take_system := getattr(metric, "take_system", None):
                take_system(system)
        for index in range(rank, -(-self.count // self.batch_size), world):
            batch = self._generate(system, index, seed, device)
            for metric in self.metrics.values():
                metric.update(batch)
            if progress is not None:
                progress(min((index + 1) * self.batch_size, self.count), self.count)
        values = {name: value for metric in self.metrics.values() for name, value in metric.compute().items()}
        found = {name: metric.picture() for name, metric in self.metrics.items() if hasattr(metric, "picture")}
        self.pictures = {name: picture for name, picture in found.items() if picture is not None}
        for metric in self.metrics.values():
            metric.reset()
        if world > 1:  # rank 0 alone holds the real images of every metric
            shared = [values]
            torch.distributed.broadcast_object_list(shared, src=0)
            values = shared[0]
        return values

    def protocol(self, system: Generating) -> dict[str, dict[str, Any]]:
        """Return, by full name, what has to be equal for two values to be comparable; whole after ``measure``."""
        shared = {
            **self._source,
            "fake": self.count,
            "generation_batch": self.batch_size,
            "seed": self.seed,
            **system.sampling_protocol(),
        }
        records: dict[str, dict[str, Any]] = {}
        for key, metric in self.metrics.items():
            warning, own = {"warning": self.warnings[key]} if key in self.warnings else {}, metric.protocol()
            records |= {name: own | shared | own | warning for name in metric.names}  # its own come first, and prevail
        return records

    def halves(self, pack: Pack, device: torch.device | str = "cpu") -> dict[str, float]:
        """Return the yardstick: FID between two seeded halves of the real images; empty where FID is not measured."""
        if "fid" not in self.metrics or self.features is None:
            return {}
        reals = self._reals(pack, device)
        first, second = reals.halves(self.features.to(reals.device))
        return {f"fid_{self.features.name}": frechet_distance(first, second)}

    def _generate(self, system: Generating, index: int, seed: int, device: torch.device) -> Generated:
        images = system.generation_batch(index, size=self.batch_size, seed=seed)
        labels = system.generation_labels(index, size=self.batch_size, seed=seed)
        indices = torch.arange(index * self.batch_size, min((index + 1) * self.batch_size, self.count), device=device)
        if labels is not None:
            labels = labels[: len(indices)].to(device)
        return Generated(images[: len(indices)].to(device), self.features, indices, labels)

    def _reals(self, pack: Pack, device: torch.device | str) -> Reals:
        return Reals(pack, self.count, self.batch_size, self.seed, _metric_device(torch.device(device)))

    def _choose_score(self, best: str | None) -> str | None:
        lower_is_better = [name for m in self.metrics.values() if m.higher_is_better is False for name in m.names]
        if best is None:
            return min(lower_is_better, key=lambda name: not name.startswith("fid_"), default=None)
        if best not in lower_is_better:
            raise UserError(f"metrics.best={best} is not measured; choose {' or '.join(lower_is_better) or 'null'}")
        return best

    def _small_samples(self, real: int) -> dict[str, str]:
        """Return, by metric, what to say where a covariance is fitted to fewer images than it has dimensions."""
        wanted = self.features.num_features if self.features is not None else 0
        said = {}
        for key, metric in self.metrics.items():
            fitted = getattr(metric, "fitted", None)
            if fitted is not None and (count := fitted(min(self.count, real))) < wanted:
                more = -(-self.count * wanted // max(count, 1)) if count < real else wanted
                said[key] = (
                    f"{metric.names[0]} from {count} images is unreliable, its covariance has {wanted} dimensions: "
                    f"set metrics.count={more} or more, with as many real images"
                )
        return said


def _metric_device(device: torch.device) -> torch.device:
    """Return the CPU in place of MPS, which has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
