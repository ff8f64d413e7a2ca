"""The real images that metrics compare with."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ganlab.data.batches import channels_first
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.files import atomic_write
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.frechet import FeatureStatistics

log = logging.getLogger(__name__)


@dataclass
class Reals:
    """The images of a pack, all or a seeded sample of ``count``, in uint8 batches (N, C, H, W) on a device.

    What takes long is cached next to the pack, for the same images, shape and feature network. ``held_out`` are real
    images that the generator was not trained on, if the data have some.
    """

    pack: Pack
    count: int
    batch_size: int
    seed: int
    device: torch.device
    held_out: "Reals | None" = None
    _seen: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)  # features, which metrics share

    @cached_property
    def order(self) -> np.ndarray:
        """The seeded permutation of all images."""
        return np.random.default_rng(self.seed).permutation(len(self.pack))

    @property
    def classes(self) -> np.ndarray | None:
        """The class of each image, int64 (N,); None if an image has no label or several."""
        labels = self.pack.labels
        return labels if labels is not None and labels.ndim == 1 else None

    @property
    def sample_count(self) -> int:
        """The number of images that ``sample`` yields."""
        return min(self.count, len(self.pack))

    def sample(self) -> Iterator[Tensor]:
        """Yield the first ``count`` images of the seeded permutation."""
        return self._batches(self.order[: self.sample_count])

    def features(self, features: Features) -> Tensor:
        """Return features (M, num_features) of ``sample``, float32 on the CPU; shorter samples share its file."""
        self._require_enough()
        origin = self._origin(features)
        if origin not in self._seen:
            file = self._place(f"features-seed{self.seed}", features, origin)
            known = _load(file, origin)
            if known is None or len(known["features"]) < self.sample_count:
                batches = self._progress(self.order[: self.sample_count], f"{features.name} features of real images")
                found = torch.cat([features(images).float().cpu() for images in batches])
                _save(file, origin, known := {"features": found.numpy()})
            self._seen[origin] = torch.from_numpy(known["features"][: self.sample_count])
        return self._seen[origin]

    def statistics(self, features: Features, label: int | None = None) -> FeatureStatistics:
        """Return statistics of all images, or of all of one class."""
        if label is None:
            return self._statistics(features, "statistics", np.arange(len(self.pack)))
        assert self.classes is not None, "only labelled images have classes"
        return self._statistics(features, f"statistics-class{label}", np.flatnonzero(self.classes == label))

    def modes(self, features: ClassifierFeatures) -> Tensor:
        """Return the number of all images that the classifier assigns to each mode, (num_modes,)."""
        origin = self._origin(features) + repr(features.counted)
        file = self._place("modes", features, origin)
        known = _load(file, origin)
        if known is None:
            counts = torch.zeros(features.num_modes, dtype=torch.long)
            for images in self._progress(np.arange(len(self.pack)), "modes of the real images"):
                found, _ = features.predict_modes(features(images))
                counts += found.cpu().bincount(minlength=features.num_modes)
            _save(file, origin, known := {"counts": counts.numpy()})
        return torch.from_numpy(known["counts"])

    def halves(self, features: Features) -> tuple[FeatureStatistics, FeatureStatistics]:
        """Return statistics of two disjoint seeded halves of all images."""
        half = np.sort(self.order[: len(self.pack) // 2])
        first = self._statistics(features, f"statistics-half-seed{self.seed}", half)
        return first, self.statistics(features) - first

    def _require_enough(self) -> None:
        if len(self.pack) < 4:
            raise UserError(f"metrics need at least 4 real images, {self.pack.folder} holds {len(self.pack)}; add some")

    def _statistics(self, features: Features, what: str, indices: np.ndarray) -> FeatureStatistics:
        self._require_enough()
        origin = self._origin(features)
        file = self._place(what, features, origin)
        known = _load(file, origin)
        if known is None:
            found = FeatureStatistics.of(features, self._progress(indices, f"{features.name} {what} of real images"))
            arrays = {"total": found.total.numpy(), "outer": found.outer.numpy()}
            _save(file, origin, known := {"count": np.array(found.count), **arrays})
        total, outer = torch.from_numpy(known["total"]), torch.from_numpy(known["outer"])
        return FeatureStatistics(int(known["count"]), total, outer)

    def _place(self, what: str, features: Features, origin: str) -> Path:
        return self.pack.folder / f"{what}-{features.name}-{hashlib.sha256(origin.encode()).hexdigest()[:12]}.npz"

    def _origin(self, features: Features) -> str:
        """Return what results follow from; crops of one pack differ in shape, directions of pairs in checksums."""
        checksums = sorted((name, array["crc32"]) for name, array in self.pack.manifest["arrays"].items())
        return repr((self.pack.images.shape, checksums, sorted(features.protocol().items())))

    def _progress(self, indices: np.ndarray, what: str) -> Iterator[Tensor]:
        steps = -(-len(indices) // self.batch_size)
        return iter(tqdm(self._batches(indices), desc=what, total=steps, unit="batch", disable=None))

    def _batches(self, indices: np.ndarray) -> Iterator[Tensor]:
        for start in range(0, len(indices), self.batch_size):
            yield channels_first(self.pack.images[indices[start : start + self.batch_size]]).to(self.device)


def _load(file: Path, origin: str) -> dict[str, np.ndarray] | None:
    """Return the arrays that `_save` wrote for ``origin``; None if they are missing or damaged."""
    try:
        with np.load(file) as opened:
            known = dict(opened)
        digest = str(known.pop("digest"))
        if digest != _digest(known) or str(known.pop("origin")) != origin:
            raise ValueError("other arrays than were saved")
        return known if all(np.isfinite(array).all() for array in known.values()) else None
    except FileNotFoundError:
        return None
    except Exception:  # NumPy and zipfile raise many kinds for a damaged file
        log.warning("%s is damaged or of an earlier version: it is computed again", file)
        return None


def _digest(arrays: dict[str, np.ndarray]) -> str:
    """Return the SHA-256 of arrays with their names."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(repr((name, array.dtype.str, array.shape)).encode() + array.tobytes())
    return digest.hexdigest()


def _save(file: Path, origin: str, arrays: dict[str, np.ndarray]) -> None:
    named = {"origin": np.array(origin), **arrays}
    try:
        with atomic_write(file) as target:
            np.savez(target, allow_pickle=False, digest=np.array(_digest(named)), **named)
    except OSError as reason:
        log.warning("cannot cache the statistics of the real images in %s: %s", file.parent, reason.strerror)
