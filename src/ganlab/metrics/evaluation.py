"""The metrics of a run: what they compare, on which process, and under which protocol their numbers stand."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from ganlab.errors import UserError
from ganlab.metrics.features import Features
from ganlab.metrics.frechet import frechet_distance
from ganlab.metrics.reals import Pack, Reals

log = logging.getLogger(__name__)


class Metric(Protocol):
    """A torchmetrics metric that names its values.

    Processes exchange their samples in ``compute``, so all have to call it.
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

    def update(self, images: Tensor, real: bool) -> None:
        """Take in uint8 images (N, C, H, W)."""

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

    def sampling_protocol(self) -> dict[str, Any]:
        """Return how the samples are made."""


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
        count: int,
        batch_size: int,
        seed: int,
        best: str | None = None,
    ) -> None:
        if count < 2:
            raise UserError(f"metrics.count={count} is too few to measure a spread; set it to 2 or more")
        if batch_size < 1:
            raise UserError(f"metrics.batch_size={batch_size} generates nothing; set it to 1 or more")
        self.metrics = metrics
        self.features = features
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.score_name = self._choose_score(best)
        self.warning: str | None = None
        self._source: dict[str, Any] = {}

    def prepare_reals(self, pack: Pack, device: torch.device | str = "cpu") -> None:
        """Show the real images to the metrics; for one process alone, before the others start.

        Statistics of all images are kept beside the pack, so only the first run on it takes long.
        """
        reals = self._reals(pack, device)
        for metric in self.metrics.values():
            metric.to(reals.device)
            metric.take_reals(reals)
        manifest = pack.manifest
        split = manifest["fingerprint"].get("split", "all")
        self._source = {"pack": manifest["key"], "data": manifest["source"], "split": split}
        self.warning = self._small_sample(min(self.count, len(pack)))
        if self.warning is not None:
            log.warning(self.warning)

    def measure(
        self, system: Generating, rank: int = 0, world: int = 1, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, float]:
        """Return values by full name, equal on all ranks and for any number of them; every rank has to call it.

        ``progress`` is called with the number of images that are through, and ``count``.
        """
        device = _metric_device(system.device)
        for metric in self.metrics.values():
            metric.to(device)
            metric.reset()
        for index in range(rank, -(-self.count // self.batch_size), world):
            batch = system.generation_batch(index, size=self.batch_size, seed=self.seed)
            images = batch[: self.count - index * self.batch_size].to(device)
            for metric in self.metrics.values():
                metric.update(images, real=False)
            if progress is not None:
                progress(min((index + 1) * self.batch_size, self.count), self.count)
        values = {name: value for metric in self.metrics.values() for name, value in metric.compute().items()}
        for metric in self.metrics.values():
            metric.reset()
        if world > 1:  # rank 0 alone holds the real images of every metric
            shared = [values]
            torch.distributed.broadcast_object_list(shared, src=0)
            values = shared[0]
        return values

    def protocol(self, system: Generating) -> dict[str, dict[str, Any]]:
        """Return, by full name, what has to be equal for two values to be comparable; whole after ``prepare_reals``."""
        shared = {
            **self._source,
            "fake": self.count,
            "generation_batch": self.batch_size,
            "seed": self.seed,
            **system.sampling_protocol(),
        }
        records: dict[str, dict[str, Any]] = {}
        for metric in self.metrics.values():
            warning = {"warning": self.warning} if self.warning and metric.needs is Features else {}
            records |= {name: {**metric.protocol(), **shared, **warning} for name in metric.names}
        return records

    def halves(self, pack: Pack, device: torch.device | str = "cpu") -> dict[str, float]:
        """Return the yardstick: FID between two seeded halves of the real images; empty without a feature network."""
        if self.features is None:
            return {}
        reals = self._reals(pack, device)
        first, second = reals.halves(self.features.to(reals.device))
        return {f"fid_{self.features.name}": frechet_distance(first, second)}

    def _reals(self, pack: Pack, device: torch.device | str) -> Reals:
        return Reals(pack, self.count, self.batch_size, self.seed, _metric_device(torch.device(device)))

    def _choose_score(self, best: str | None) -> str | None:
        lower_is_better = [name for m in self.metrics.values() if not m.higher_is_better for name in m.names]
        if best is None:
            return min(lower_is_better, key=lambda name: not name.startswith("fid_"), default=None)
        if best not in lower_is_better:
            raise UserError(f"metrics.best={best} is not measured; choose {' or '.join(lower_is_better) or 'null'}")
        return best

    def _small_sample(self, count: int) -> str | None:
        wanted = self.features.num_features if self.features is not None else 0
        for metric in self.metrics.values():
            if metric.needs is Features and count < wanted:
                return (
                    f"{metric.names[0]} from {count} images is unreliable, its covariance has {wanted} dimensions: "
                    f"set metrics.count={wanted} or more, with as many real images"
                )
        return None


def _metric_device(device: torch.device) -> torch.device:
    """Return the CPU in place of MPS, which has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
