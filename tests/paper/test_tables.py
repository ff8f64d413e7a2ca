"""Tables 1 to 3 on digits and random weights, against scikit-learn on the same features."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from ganlab.data.pack import Pack
from ganlab.errors import UserError
from ganlab.paper.cifar10_features import FeatureAccuracy
from ganlab.paper.nearest_digits import NearestDigits
from ganlab.paper.svhn_labels import FewLabelsError
from ganlab.probes.features import PooledFeatures

Packs = dict[str | None, Pack]


def test_accuracy_upon_features_is_scikit_learns(plain: Callable, material: Callable, split_digits: Packs) -> None:
    model = plain(16, 1)
    item = FeatureAccuracy([1e-3], 0.2, 20, 2, 400)
    found = material({"checkpoint": model}, split_digits)
    scores = item.make(found).scores
    train, test = split_digits[None], split_digits["test"]
    order = item.order(train, 0)
    features = PooledFeatures(model.discriminator, model.image()[0])
    features.freeze(train.images[np.sort(order)])
    svm = LinearSVC(C=1e-3, max_iter=20_000, tol=1e-8, dual=False).fit(
        features.extract(train.images[order]), train.labels[order]
    )
    assert scores["features"] == features.length == (4 + 8) * 16
    assert scores["accuracy"] == pytest.approx(svm.score(features.extract(test.images), test.labels), abs=0.01)
    assert 0.1 < scores["accuracy_few"] < scores["accuracy"] and scores["c"] == 1e-3
    assert {"accuracy_random", "accuracy_few_random", "deviation_few"} <= scores.keys()
    assert not list(found.folder.glob("*.dat"))


def test_few_labels_with_and_without_a_discriminator(plain: Callable, material: Callable, split_digits: Packs) -> None:
    item = FewLabelsError(10, [1e-3, 1e-2], 2, 3, 1, 300)
    outcome = item.make(material({"checkpoint": plain(16, 1)}, split_digits))
    scores = outcome.scores
    assert 0 < scores["error"] < 0.6 and scores["spread"] > 0 and scores["features"] == 192
    assert 0 < scores["supervised_validation"] <= 0.9 and 0 < scores["supervised_test"] <= 0.9
    assert outcome.remarks[0].startswith("900, 300, 597 training, validation and test images")


def test_few_labels_take_the_datas_own_validation_split(
    plain: Callable, material: Callable, split_digits: Packs
) -> None:
    packs = split_digits | {"validation": split_digits["test"], "train_without_validation": split_digits[None]}
    parts = FewLabelsError(10, [1e-3], 1, 1, 0, 300).parts(material({"checkpoint": plain(16, 1)}, packs))
    assert [len(images) for images, _ in parts] == [1200, 597, 597]


def test_nearest_real_digits_are_scikit_learns(conditional: Callable, material: Callable, split_digits: Packs) -> None:
    models = {"checkpoint": conditional(), "baseline": conditional()}
    scores = NearestDigits([100, 1_500], 1200, 200).make(material(models, split_digits)).scores
    train, test = split_digits[None], split_digits["test"]
    nearest = KNeighborsClassifier(1).fit(train.images.reshape(1200, -1) / 255, train.labels)
    right = nearest.score(test.images[:200].reshape(200, -1) / 255, test.labels[:200])
    assert scores["real_at_1200"] == scores["real_error"] == pytest.approx(1 - right)
    assert scores["dcgan_at_1500"] == scores["baseline_at_1500"] == scores["dcgan_error"]
    assert "dcgan_at_100" in scores


def test_models_without_classes_and_data_without_a_test_set_are_refused(
    plain: Callable, conditional: Callable, material: Callable, split_digits: Packs
) -> None:
    with pytest.raises(UserError, match="a checkpoint \\(dcgan\\) knows no classes.*experiment=mnist_conditional"):
        models = {"checkpoint": plain(16, 1), "baseline": conditional()}
        NearestDigits([100], 100, None).make(material(models, split_digits))
    with pytest.raises(UserError, match="digits has no images held out"):
        FeatureAccuracy([1e-3], 0.2, 20, 2, None).make(
            material({"checkpoint": plain(16, 1)}, {None: split_digits[None]})
        )
    bare = Pack(split_digits[None].folder, split_digits[None].manifest, {"images": split_digits[None].images})
    with pytest.raises(UserError, match="digits has no class an image to classify: type data=cifar10"):
        FeatureAccuracy([1e-3], 0.2, 20, 2, None).make(
            material({"checkpoint": plain(16, 1)}, {None: bare, "test": bare})
        )
    assert torch.get_default_dtype() is torch.float32
