"""The real images that metrics compare with."""

import logging
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ganlab.errors import UserError
from ganlab.metrics.classifier import ClassifierFeatures
from ganlab.metrics.features import Features
from ganlab.metrics.frechet import FeatureStatistics

log = logging.getLogger(__name__)


class Pack(Protocol):
    """What this package needs of a pack: uint8 images (N, H, W, C) and where they lie and come from."""

    @property
    def images(self) -> np.ndarray:
        """Pixels, uint8 (N, H, W, C)."""

    @property
    def labels(self) -> np.ndarray | None:
        """Classes, int64 (N,), or several labels, int64 (N, A)."""

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``pack.json`` says."""

    @property
    def folder(self) -> Path:
        """Where the pack lies."""

    def __len__(self) -> int: ...


@dataclass
class Reals:
    """A pack's images, seen whole or as a seeded sample, in uint8 batches (N, C, H, W) on a device."""

    pack: Pack
    count: int
    batch_size: int
    seed: int
    device: torch.device

    def __post_init__(self) -> None:
        if len(self.pack) < 4:
            raise UserError(f"metrics need at least 4 real images, {self.pack.folder} holds {len(self.pack)}; add some")

    @cached_property
    def order(self) -> np.ndarray:
        """The seeded permutation of all images."""
        return np.random.default_rng(self.seed).permutation(len(self.pack))

    @property
    def sample_count(self) -> int:
        """How many images ``sample`` yields."""
        return min(self.count, len(self.pack))

    def sample(self) -> Iterator[Tensor]:
        """Yield the first ``count`` images of the seeded permutation, all where there are fewer."""
        return self._batches(self.order[: self.sample_count])

    def statistics(self, features: Features) -> FeatureStatistics:
        """Return statistics of all images, kept beside the pack for the next time.

        The file is used only if pack and feature network are the same as when it was written.
        """
        file, origin = self._place("statistics", features), self._origin(features)
        known = _load(file, origin)
        if known is None:
            statistics = FeatureStatistics.of(features, self._all(f"{features.name} statistics of the real images"))
            arrays = {"total": statistics.total.numpy(), "outer": statistics.outer.numpy()}
            _save(file, origin, known := {"count": np.array(statistics.count), **arrays})
        return FeatureStatistics(
            int(known["count"]), torch.from_numpy(known["total"]), torch.from_numpy(known["outer"])
        )

    def modes(self, features: ClassifierFeatures) -> Tensor:
        """Return how many of all images are of each mode by the classifier, (num_modes,), kept as statistics are."""
        file, origin = self._place("modes", features), self._origin(features) + repr(features.counted)
        known = _load(file, origin)
        if known is None:
            counts = torch.zeros(features.num_modes, dtype=torch.long)
            for images in self._all("modes of the real images"):
                counts += features.judge(images)[0].cpu().bincount(minlength=features.num_modes)
            _save(file, origin, known := {"counts": counts.numpy()})
        return torch.from_numpy(known["counts"])

    def halves(self, features: Features) -> tuple[FeatureStatistics, FeatureStatistics]:
        """Return statistics of two disjoint seeded halves of all images."""
        first = FeatureStatistics.of(features, self._batches(self.order[: len(self.pack) // 2]))
        return first, self.statistics(features) - first

    def _place(self, what: str, features: Features) -> Path:
        return self.pack.folder / f"{what}-{features.name}-{features.weights_sha256[:12]}.npz"

    def _origin(self, features: Features) -> str:
        checksums = sorted((name, array["crc32"]) for name, array in self.pack.manifest["arrays"].items())
        return repr((self.pack.images.shape, checksums, sorted(features.protocol().items())))

    def _all(self, what: str) -> Iterator[Tensor]:
        steps = -(-len(self.pack) // self.batch_size)
        return iter(tqdm(self._batches(np.arange(len(self.pack))), desc=what, total=steps, unit="batch", disable=None))

    def _batches(self, indices: np.ndarray) -> Iterator[Tensor]:
        for start in range(0, len(indices), self.batch_size):
            images = np.ascontiguousarray(
                self.pack.images[indices[start : start + self.batch_size]].transpose(0, 3, 1, 2)
            )
            yield torch.from_numpy(images).to(self.device)


def _load(file: Path, origin: str) -> dict[str, np.ndarray] | None:
    try:
        with np.load(file) as known:
            return dict(known) if str(known["origin"]) == origin else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # absent, or damaged: computed anew
        return None


def _save(file: Path, origin: str, arrays: dict[str, np.ndarray]) -> None:
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as target:
            np.savez(target, allow_pickle=False, origin=np.array(origin), **arrays)
            target.flush()
            os.fsync(target.fileno())
        part.replace(file)
    except OSError as reason:
        part.unlink(missing_ok=True)
        log.warning("the statistics of the real images are not kept in %s: %s", file.parent, reason.strerror)
