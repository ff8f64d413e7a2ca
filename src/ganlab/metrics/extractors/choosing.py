"""The choice of a feature network for a pack."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganlab.arguments import Count, Share, checked
from ganlab.classifiers.labelled import Labelled, counted_factors
from ganlab.classifiers.training import Training, trained_classifier
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.metrics.extractors.backbones import BackboneFeatures
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.metrics.extractors.digits import DigitsFeatures
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.extractors.inception import InceptionFeatures, standard_inception_weights
from ganlab.metrics.extractors.torchscript import TorchScriptFeatures

MOST_MODES = 100_000  # combinations that are counted
EACH = 10  # real images of a combination, on average, if no factors are named


@checked
def choose_features(
    name: str,
    weights: str | None,  # a file: Inception's with ``auto``, the module itself with ``torchscript``
    classifier: Mapping[str, Any] | None = None,  # arguments of ``classifier_features``
    torchscript: Mapping[str, Any] | None = None,  # arguments of ``TorchScriptFeatures``
    resize: str | None = None,  # of ``InceptionFeatures``
    batch_size: Count | None = None,  # images of one forward pass; None for the network's own
    *,
    pack: Pack,  # the real images
) -> Features | None:
    """Return the feature network of ``features=NAME`` for a pack; None if ``auto`` finds none, else ``UserError``.

    ``auto`` takes digits for grey digits; the classifier if the pack's manifest names modes (``modes``, ``channels``);
    else inception if its weights are available.
    """
    _, height, width, channels = pack.images.shape
    file = None if weights is None else Path(weights)
    if resize is not None and name not in ("auto", "inception"):
        raise UserError(f"resize={resize} is a choice of features=inception; {name} has one resize: leave it out")
    if name in ("digits", "classifier") and weights is not None:
        raise UserError(f"features.weights={weights} are Inception's weights; set features=inception with them")
    wanted = _suited(pack, weights, classifier) if name == "auto" else name
    features: Features
    if wanted == "digits":
        features = DigitsFeatures()
    elif wanted == "classifier" and classifier is not None:
        features = classifier_features(pack, **classifier)
    elif wanted == "torchscript" and torchscript is not None:
        if file is None:
            raise UserError("features=torchscript needs your file: set features.weights=FILE")
        features = TorchScriptFeatures(file, **torchscript, image=(channels, height, width))
    elif wanted == "inception":
        if name == "auto" and file is None:
            if channels not in (1, 3):
                return None
            try:
                file = standard_inception_weights()
            except UserError:
                return None
        features = InceptionFeatures(file, resize or "torch_fidelity")
    else:
        features = BackboneFeatures(wanted, file)
    features.bind(channels, height, width)
    if batch_size is not None:
        features.batch_size = batch_size
    return features


def _suited(pack: Pack, weights: str | None, classifier: Mapping[str, Any] | None) -> str:
    """Return the network of ``features=auto``, whether or not its weights are available."""
    if weights is not None:
        return "inception"
    if pack.manifest.get("content") == "digits" and pack.images.shape[3] == 1:
        return "digits"
    channels = pack.manifest.get("channels")
    countable = pack.manifest.get("modes") or (channels is not None and len(channels) == pack.images.shape[3])
    return "classifier" if classifier is not None and countable else "inception"


@checked
def classifier_features(
    pack: Pack, *, factors: list[str] | None, accuracy: Share, **training: Any
) -> ClassifierFeatures:
    """Return the classifier of a pack, trained if it is not cached.

    It counts the combinations of the labels ``factors`` with a held-out accuracy of ``accuracy`` or more; by default of
    the manifest's ``modes``, else of those whose combinations have ten images or more on average.
    """
    data = Labelled.of(pack)
    wanted = pack.manifest.get("modes") if factors is None else factors
    named = wanted is not None or data.channelwise
    most = MOST_MODES if named else min(MOST_MODES, len(pack) // EACH)
    counted_factors(data.factors, dict.fromkeys(data.factors, 1.0), wanted, accuracy, most)  # refuses unknown names
    features = ClassifierFeatures(trained_classifier(pack, Training(**training)))
    features.count(counted_factors(data.factors, features.accuracy, wanted, accuracy, most))
    doubtful = [f"{name} {share:.1%}" for name, share in features.accuracy.items() if share < accuracy]
    if doubtful:
        features.remark = (
            f"The classifier's held-out accuracy is below features.classifier.accuracy={accuracy:g} for "
            f"{', '.join(doubtful)}: not counted as modes."
        )
    return features
