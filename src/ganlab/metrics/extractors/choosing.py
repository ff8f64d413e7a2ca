"""Which feature network judges a pack."""

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
EACH = 10  # real images of a combination, on average, where nobody has named the factors


@checked
def choose_features(
    name: str,
    weights: str | None,
    classifier: Mapping[str, Any] | None = None,
    torchscript: Mapping[str, Any] | None = None,
    resize: str | None = None,
    batch_size: Count | None = None,
    *,
    pack: Pack,
) -> Features | None:
    """Return the feature network of ``features=NAME``, told what it is to judge; None where ``auto`` finds none.

    Args:
        name: ``inception``, ``digits``, ``classifier``, ``torchscript``, a classifier of torchvision, or ``auto``:
            digits for grey digits; the classifier for packs whose manifest says what to count (``modes``,
            ``channels``); else inception if its weights can be had.
        weights: a file of weights; Inception's with ``auto``, the TorchScript module itself with ``torchscript``.
        classifier: how the classifier is trained and which factors it counts, see ``labelled_features``.
        torchscript: what the module wants to see, see `ganlab.metrics.extractors.torchscript.TorchScriptFeatures`.
        resize: Inception's, see `ganlab.metrics.extractors.inception.InceptionFeatures`; None takes the usual one.
        batch_size: images of one forward pass; None takes the network's own.
        pack: what is to be judged.

    Raises:
        UserError: the network that was asked for cannot be had, or cannot judge this data.
    """
    _, height, width, channels = pack.images.shape
    file = None if weights is None else Path(weights)
    if resize is not None and name not in ("auto", "inception"):
        raise UserError(f"resize={resize} is a choice of features=inception; {name} has one resize: leave it out")
    if name in ("digits", "classifier") and weights is not None:
        raise UserError(f"features.weights={weights} are Inception's weights; set features=inception with them")
    if name == "digits" and channels != 1:
        raise UserError(
            f"features=digits judges grey digits only, not data of {channels} channels; "
            "set data.channels=1, or features=auto"
        )
    wanted = _suited(pack, weights, classifier) if name == "auto" else name
    features: Features
    if wanted == "digits":
        features = DigitsFeatures()
    elif wanted == "classifier" and classifier is not None:
        features = labelled_features(pack, **classifier)
    elif wanted == "torchscript" and torchscript is not None:
        if file is None:
            raise UserError("features=torchscript is a file of yours: set features.weights=FILE")
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
    features.meet(channels, height, width)
    if batch_size is not None:
        features.batch_size = batch_size
    return features


def _suited(pack: Pack, weights: str | None, classifier: Mapping[str, Any] | None) -> str:
    """Return the network for ``features=auto``, whether or not its weights can be had."""
    if weights is not None:
        return "inception"
    if pack.manifest.get("content") == "digits" and pack.images.shape[3] == 1:
        return "digits"
    return "classifier" if classifier is not None and tells_modes(pack) else "inception"


def tells_modes(pack: Pack) -> bool:
    """Tell whether a pack's manifest says what a classifier is to count, and its images still show it."""
    named = pack.manifest.get("channels")
    return bool(pack.manifest.get("modes")) or (named is not None and len(named) == pack.images.shape[3])


@checked
def labelled_features(pack: Pack, *, factors: list[str] | None, accuracy: Share, **training: Any) -> ClassifierFeatures:
    """Return the classifier of a pack, trained where there is none.

    Args:
        pack: images and labels.
        factors: names of the labels whose combinations are counted; None: those that the manifest calls ``modes``,
            else those of all whose combinations have ten images or more on average.
        accuracy: least share of held-out images at which a factor is counted.
        training: values of `ganlab.classifiers.training.Training`.
    """
    data = Labelled.of(pack)
    wanted = pack.manifest.get("modes") if factors is None else factors
    named = wanted is not None or data.channelwise
    most = MOST_MODES if named else min(MOST_MODES, len(pack) // EACH)
    counted_factors(data.factors, dict.fromkeys(data.factors, 1.0), wanted, accuracy, most)  # names that exist
    features = ClassifierFeatures(trained_classifier(pack, Training(**training)))
    features.count(counted_factors(data.factors, features.accuracy, wanted, accuracy, most))
    doubtful = [f"{name} {share:.1%}" for name, share in features.accuracy.items() if share < accuracy]
    if doubtful:
        features.remark = (
            f"The classifier tells less than features.classifier.accuracy={accuracy:g} of the images held out, so "
            f"that these do not count as modes: {', '.join(doubtful)}."
        )
    return features
