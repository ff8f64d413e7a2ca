"""From the config group ``metrics`` to an evaluation."""

from collections.abc import Mapping
from typing import Any

from hydra.utils import get_class

from ganlab.errors import UserError
from ganlab.evaluation.evaluator import Evaluation, Metric
from ganlab.metrics.extractors.features import Classifier, Features


def needs_features(config: Mapping[str, Any]) -> bool:
    """Tell whether any of the metrics in the config group ``metrics`` asks for a feature network."""
    return any(_metric_class(node).needs is not None for node in _nodes(config).values())


def build_evaluation(config: Mapping[str, Any], features: Features | None, seed: int) -> Evaluation | None:
    """Return the evaluation that the config group ``metrics`` describes; None for ``metrics=none``.

    Metrics that need another feature network than ``features`` are left out, and modes where there are none to count.

    Args:
        config: ``count``, ``batch_size``, ``best``, and for each metric its constructor's values and ``_target_``.
        features: the network that the metrics share, None where there is none.
        seed: fixes latents and the sample of real images.

    Raises:
        UserError: no metric is left, or one of the values cannot be.
    """
    nodes = _nodes(config)
    metrics: dict[str, Metric] = {}
    for name, node in nodes.items():
        values = {key: value for key, value in node.items() if key != "_target_"}
        metric = _metric_class(node)
        if metric.needs is None:
            metrics[name] = metric(**values)
        elif fits(metric, features):
            metrics[name] = metric(features, **values)
    if nodes and not metrics:
        network = "no feature network" if features is None else f"the feature network {features.name}"
        raise UserError(
            f"metrics=[{','.join(nodes)}] cannot be measured with {network}; "
            "set features.weights=FILE (InceptionV3's), or take metrics=swd or metrics=none"
        )
    if not metrics:
        return None
    return Evaluation(metrics, features, config["count"], config["batch_size"], seed, config["best"])


def fits(metric: Any, features: Features | None) -> bool:
    """Tell whether a class of metrics can judge by this network."""
    countable = metric.needs is not Classifier or getattr(features, "num_modes", 0) > 1
    told = not getattr(metric, "needs_classes", False) or getattr(features, "num_classes", 0) > 1
    return isinstance(features, metric.needs) and countable and told


def _nodes(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: node for name, node in config.items() if isinstance(node, Mapping)}


def _metric_class(node: Mapping[str, Any]) -> Any:
    return get_class(node["_target_"])
