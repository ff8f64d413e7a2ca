"""Networks that know the truth: trained on real images, they tell what samples show."""

from collections.abc import Callable, Hashable
from typing import Any

from ganlab.classifiers.training import Training, trained_classifier
from ganlab.data.packs.pack import Pack
from ganlab.latent.regression import FactorReader, train_reader
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.probes.windows import Segmenter, train_segmenter


class Judges:
    """Each network is trained when it is first asked for, and serves all checkpoints that are compared.

    Args:
        classifier: how the classifier of a pack's labels is trained, values of
            `ganlab.classifiers.training.Training`.
    """

    def __init__(self, classifier: dict[str, Any]) -> None:
        self._training = Training(**classifier)
        self._known: dict[Hashable, Any] = {}

    def classifier(self, pack: Pack) -> ClassifierFeatures:
        """Return a classifier of a pack's labels."""
        return self._once(
            ("classifier", pack.folder), lambda: ClassifierFeatures(trained_classifier(pack, self._training))
        )

    def segmenter(self, pack: Pack, images: int, seed: int) -> Segmenter:
        """Return a network that names the thing at each pixel, see `ganlab.probes.windows.train_segmenter`."""
        key = ("segmenter", pack.folder, images, seed)
        return self._once(key, lambda: train_segmenter(pack, images, seed=seed))

    def reader(self, pack: Pack, factor: str, training: Training) -> FactorReader:
        """Return a network that reads a factor, see `ganlab.latent.regression.train_reader`."""
        return self._once(("reader", pack.folder, factor, training), lambda: train_reader(pack, factor, training))

    def _once(self, key: Hashable, build: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = build()
        return self._known[key]
