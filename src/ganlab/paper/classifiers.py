"""Networks trained on real images with known truth, which score what samples show."""

from collections.abc import Callable, Hashable
from typing import Any

from ganlab.classifiers.training import Training, trained_classifier
from ganlab.data.packs.pack import Pack
from ganlab.latent.regression import FactorRegressor, train_factor_regressor
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.probes.segmenter import Segmenter, train_segmenter


class Classifiers:
    """Trains each network on first use and keeps it; ``classifier`` holds the hyperparameters of `Training`."""

    def __init__(self, classifier: dict[str, Any]) -> None:
        self._training = Training(**classifier)
        self._trained: dict[Hashable, Any] = {}

    def classifier(self, pack: Pack) -> ClassifierFeatures:
        """Return a classifier of a pack's labels."""
        key = ("classifier", pack.folder)
        return self._once(key, lambda: ClassifierFeatures(trained_classifier(pack, self._training)))

    def segmenter(self, pack: Pack, images: int, seed: int) -> Segmenter:
        """Return a segmentation network, see `ganlab.probes.segmenter.train_segmenter`."""
        key = ("segmenter", pack.folder, images, seed)
        return self._once(key, lambda: train_segmenter(pack, images, seed=seed))

    def regressor(self, pack: Pack, factor: str, training: Training) -> FactorRegressor:
        """Return a regressor of a factor, see `ganlab.latent.regression.train_factor_regressor`."""
        key = ("regressor", pack.folder, factor, training)
        return self._once(key, lambda: train_factor_regressor(pack, factor, training))

    def _once(self, key: Hashable, build: Callable[[], Any]) -> Any:
        if key not in self._trained:
            self._trained[key] = build()
        return self._trained[key]
