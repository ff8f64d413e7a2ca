"""The evaluator of the config group ``metrics``."""

from collections.abc import Mapping
from typing import Any

from hydra.utils import get_class

from ganlab.configuration.checking import built
from ganlab.data.references import Reference
from ganlab.errors import UserError
from ganlab.evaluation.evaluator import Evaluator
from ganlab.metrics.extractors.features import Features
from ganlab.metrics.metric import Metric


def needs_features(config: Mapping[str, Any]) -> bool:
    """Return whether any of the metrics in the config group ``metrics`` needs a feature network."""
    return any(_metric_class(node).needs is not None for node in built(config).values())


def build_evaluator(
    config: Mapping[str, Any], references: Mapping[str, Reference], features: Features | None, seed: int
) -> Evaluator | None:
    """Return the evaluator of ``metrics``, without those that do not fit the features; None for ``metrics=none``."""
    nodes = built(config)
    metrics: dict[str, Metric] = {}
    for name, node in nodes.items():
        values = {key: value for key, value in node.items() if key != "_target_"}
        metric = _metric_class(node)
        for task in references if metric.fits(features) else ():
            try:
                made = metric(*([] if metric.needs is None else [features]), **values)
            except ValueError as error:
                raise UserError(f"metrics.{name}: {error}") from error
            metrics[f"{name}/{task}" if task else name] = made
    if nodes and not metrics:
        network = "no feature network" if features is None else f"the feature network {features.name}"
        raise UserError(
            f"metrics=[{','.join(nodes)}] cannot be measured with {network}; "
            "set features.weights=FILE (InceptionV3's), or take metrics=swd or metrics=none"
        )
    if not metrics:
        return None
    return Evaluator(metrics, references, features, config["count"], config["batch_size"], seed, config["best"])


def _metric_class(node: Mapping[str, Any]) -> Any:
    return get_class(node["_target_"])
