from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from ganlab.classifiers.training import Training, trained_classifier
from ganlab.data.references import Reference
from ganlab.errors import UserError
from ganlab.evaluation.build import build_evaluator, needs_features
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.metrics.extractors.digits import DigitsFeatures

CONF = Path(__file__).parents[2] / "conf"
REFERENCES: Any = {"": Reference(None, lambda indices: {}, 0)}  # type: ignore[arg-type]


def config(*names: str, **values: Any) -> DictConfig:
    base = OmegaConf.create({"count": 20, "batch_size": 4, "best": None, **values})
    merged = OmegaConf.merge(base, *(OmegaConf.load(CONF / "metrics" / f"{name}.yaml") for name in names))
    assert isinstance(merged, DictConfig)
    return merged


def test_all_metrics_on_digits() -> None:
    evaluator = build_evaluator(config("fid", "swd", "modes"), REFERENCES, DigitsFeatures(), seed=3)
    assert evaluator is not None
    assert list(evaluator.metrics) == ["fid", "swd", "modes"]
    assert (evaluator.count, evaluator.batch_size, evaluator.seed) == (20, 4, 3)
    assert evaluator.score_name == "fid_digits"


def test_metrics_that_lack_their_network_are_left_out(pixels: type) -> None:
    without = build_evaluator(config("fid", "swd", "modes"), REFERENCES, None, seed=0)
    assert without is not None
    assert (list(without.metrics), without.score_name) == (["swd"], "swd")
    unclassified = build_evaluator(config("fid", "swd", "modes"), REFERENCES, pixels(4), seed=0)
    assert unclassified is not None
    assert list(unclassified.metrics) == ["fid", "swd"]


def test_values_of_a_metric_that_is_not_chosen_are_left_alone() -> None:
    evaluator = build_evaluator(config("swd", l1={"pixels": "hole"}), REFERENCES, None, seed=0)
    assert evaluator is not None and list(evaluator.metrics) == ["swd"]


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(UserError, match=r"metrics=\[fid\] cannot be measured with no feature network; .*metrics=swd"):
        build_evaluator(config("fid"), REFERENCES, None, seed=0)


def test_each_task_has_metrics_of_its_own(pixels: type) -> None:
    references = dict.fromkeys(("a_to_b", "b_to_a"), REFERENCES[""])
    evaluator = build_evaluator(config("fid", "kid"), references, pixels(4), seed=0)
    assert evaluator is not None
    assert list(evaluator.metrics) == ["fid/a_to_b", "fid/b_to_a", "kid/a_to_b", "kid/b_to_a"]
    assert len(set(map(id, evaluator.metrics.values()))) == 4
    assert evaluator.score_name == "fid_pixels/a_to_b"
    with pytest.raises(UserError, match="metrics.psnr: pixels=edge must be all or hole"):
        build_evaluator(OmegaConf.merge(config("psnr"), {"psnr": {"pixels": "edge"}}), references, None, seed=0)  # type: ignore[arg-type]


def test_no_metrics() -> None:
    assert build_evaluator(config("none"), REFERENCES, None, seed=0) is None


def test_who_needs_features() -> None:
    assert needs_features(config("fid", "swd"))
    assert needs_features(config("modes"))
    assert not needs_features(config("swd"))
    assert not needs_features(config("none"))


@pytest.mark.parametrize("name", ["auto", "inception", "digits", "classifier"])
def test_features_files_name_themselves(name: str) -> None:
    node = OmegaConf.load(CONF / "features" / f"{name}.yaml")
    assert isinstance(node, DictConfig)
    assert (node.name, node.weights) == (name, None)


def test_modes_are_left_out_where_there_are_none_to_count(bars: Callable[..., Any]) -> None:
    features = ClassifierFeatures(trained_classifier(bars(50), Training(200, 50, 1e-2, 4, 0)))
    evaluator = build_evaluator(config("fid", "modes"), REFERENCES, features, seed=0)
    assert evaluator is not None
    assert list(evaluator.metrics) == ["fid"]
    features.count(["row"])
    evaluator = build_evaluator(config("fid", "modes"), REFERENCES, features, seed=0)
    assert evaluator is not None
    assert (list(evaluator.metrics), evaluator.score_name) == (["fid", "modes"], "fid_classifier")
