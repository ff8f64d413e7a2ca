"""Which feature network judges a pack."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganlab.errors import UserError
from ganlab.metrics.classifier import ClassifierFeatures
from ganlab.metrics.features import DigitsFeatures, Features, InceptionFeatures
from ganlab.metrics.labels import Labelled, counted_factors
from ganlab.metrics.reals import Pack
from ganlab.metrics.train_classifier import Training, trained_classifier

MOST_MODES = 100_000  # combinations that are counted
EACH = 10  # real images of a combination, on average, where nobody has named the factors


def choose_features(
    name: str, weights: str | None, classifier: Mapping[str, Any] | None = None, *, pack: Pack
) -> Features | None:
    """Return the feature network of ``features=NAME``, or None where ``auto`` finds none.

    Args:
        name: ``inception``, ``digits``, ``classifier``, or ``auto``: digits for grey digits; the classifier for packs
            whose manifest says what to count (``modes``, ``channels``); else inception if its weights can be had.
        weights: a file of InceptionV3 weights (``features.weights``).
        classifier: how the classifier is trained and which factors it counts, see ``labelled_features``.
        pack: what is to be judged.

    Raises:
        UserError: the network that was asked for cannot be had, or cannot judge this data.
    """
    channels, content = pack.images.shape[3], pack.manifest.get("content")
    if name not in ("auto", "inception", "digits", "classifier"):
        raise UserError(f"features={name} does not exist; choose auto, inception, digits or classifier")
    if name in ("digits", "classifier") and weights is not None:
        raise UserError(f"features.weights={weights} are Inception's weights; set features=inception with them")
    if name == "digits":
        if channels != 1:
            raise UserError(
                f"features=digits judges grey digits only, not data of {channels} channels; "
                "set data.channels=1, or features=auto"
            )
        return DigitsFeatures()
    if name == "inception" or weights is not None:
        return InceptionFeatures(Path(weights) if weights is not None else None)
    if name == "auto" and content == "digits" and channels == 1:
        return DigitsFeatures()
    if classifier is not None and (name == "classifier" or tells_modes(pack)):
        return labelled_features(pack, **classifier)
    try:
        return InceptionFeatures()
    except UserError:
        return None


def tells_modes(pack: Pack) -> bool:
    """Tell whether a pack's manifest says what a classifier is to count, and its images still show it."""
    named = pack.manifest.get("channels")
    return bool(pack.manifest.get("modes")) or (named is not None and len(named) == pack.images.shape[3])


def labelled_features(pack: Pack, *, factors: list[str] | None, accuracy: float, **training: Any) -> ClassifierFeatures:
    """Return the classifier of a pack, trained where there is none.

    Args:
        pack: images and labels.
        factors: names of the labels whose combinations are counted; None: those that the manifest calls ``modes``,
            else those of all whose combinations have ten images or more on average.
        accuracy: least share of held-out images at which a factor is counted.
        training: values of `ganlab.metrics.train_classifier.Training`.
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
