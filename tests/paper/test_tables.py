"""Tables 1 to 3 on digits and random weights, against scikit-learn on the same features."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.networks import dcgan
from ganlab.paper.figures.cifar10_features import FeatureAccuracy
from ganlab.paper.figures.nearest_digits import NearestDigits
from ganlab.paper.figures.svhn_labels import FewLabelsError
from ganlab.probes.features import PooledFeatures

Packs = dict[str | None, Pack]


def test_accuracy_upon_features_is_scikit_learns(plain: Callable, figure_inputs: Callable, split_digits: Packs) -> None:
    model = plain(16, 1)
    item = FeatureAccuracy([1e-3], 0.2, 20, 2, 400)
    saved: list[set[str]] = []
    found = replace(
        figure_inputs({"checkpoint": model}, split_digits), save_partial=lambda result: saved.append({*result.scores})
    )
    result = item.make(found)
    scores = result.scores
    assert "accuracy" in saved[0] and "accuracy_random" not in saved[0]
    assert result.differs[1] == "C for 200 labels is chosen on 80 held-out labels"
    train, test = split_digits[None], split_digits["test"]
    order = item.order(train, 0)
    features = PooledFeatures(model.discriminator, model.discriminator_inputs()[0])
    features.freeze(train.images[np.sort(order)])
    svm = LinearSVC(C=1e-3, max_iter=20_000, tol=1e-8, dual=False).fit(
        features.extract(train.images[order]), train.labels[order]
    )
    assert scores["features"] == features.length == (4 + 8) * 16
    assert scores["accuracy"] == pytest.approx(svm.score(features.extract(test.images), test.labels), abs=0.01)
    assert 0.1 < scores["accuracy_few"] < scores["accuracy"] and scores["c"] == 1e-3
    assert {"accuracy_random", "accuracy_few_random", "deviation_few"} <= scores.keys()
    assert scores["largest_layer"] == 8
    assert not list(found.folder.glob("*.dat"))


def test_few_labels_with_and_without_a_discriminator(
    plain: Callable, figure_inputs: Callable, split_digits: Packs
) -> None:
    item = FewLabelsError(10, [1e-3, 1e-2], 2, 3, 1, 300)
    saved: list[set[str]] = []
    given = figure_inputs({"checkpoint": plain(16, 1)}, split_digits)
    result = item.make(replace(given, save_partial=lambda result: saved.append({*result.scores})))
    scores = result.scores
    assert [("error" in each, "error_random" in each) for each in saved] == [(True, False), (True, True)]
    assert 0 < scores["error"] < 0.6 and scores["spread"] > 0 and scores["features"] == 192
    assert 0 < scores["supervised_validation"] <= 0.9 and 0 < scores["supervised_test"] <= 0.9
    assert result.remarks[0].startswith("900, 300, 597 training, validation and test images")


def test_few_labels_take_the_datas_own_validation_split(
    plain: Callable, figure_inputs: Callable, split_digits: Packs
) -> None:
    packs = split_digits | {"validation": split_digits["test"], "train_without_validation": split_digits[None]}
    parts = FewLabelsError(10, [1e-3], 1, 1, 0, 300).parts(figure_inputs({"checkpoint": plain(16, 1)}, packs))
    assert [len(images) for images, _ in parts] == [1200, 597, 597]


def test_nearest_real_digits_are_scikit_learns(
    conditional: Callable, figure_inputs: Callable, split_digits: Packs
) -> None:
    models = {"checkpoint": conditional(), "baseline": conditional()}
    saved: list[int] = []
    given = replace(figure_inputs(models, split_digits), save_partial=lambda result: saved.append(len(result.scores)))
    result = NearestDigits([1_500, 100], 1200, 200).make(given)
    scores = result.scores
    assert saved == [2, 3, 5, 6, 8, 10, 11]  # real; then of each model 100, as many as real, and 1,500 samples
    train, test = split_digits[None], split_digits["test"]
    nearest = KNeighborsClassifier(1).fit(train.images.reshape(1200, -1) / 255, train.labels)
    right = nearest.score(test.images[:200].reshape(200, -1) / 255, test.labels[:200])
    assert scores["real_at_1200"] == scores["real_error"] == pytest.approx(1 - right)
    assert scores["dcgan_at_1500"] == scores["baseline_at_1500"] == scores["dcgan_error"]
    assert "dcgan_at_100" in scores and scores["dcgan_at_reals"] == scores["dcgan_at_1200"]
    assert (
        result.differs[1]
        == "batch norm of the dcgan uses the statistics of batches of 100 samples (the authors': of 128)"
    )
    claim = NearestDigits.claims[1]
    assert claim.holds({"real_error": [0.2], "dcgan_at_reals": [0.3], "dcgan_error": [0.1]}) is False


def test_models_without_classes_and_data_without_a_test_set_are_refused(
    plain: Callable, conditional: Callable, figure_inputs: Callable, split_digits: Packs
) -> None:
    with pytest.raises(UserError, match="a checkpoint \\(dcgan\\) is unconditional.*experiment=mnist_conditional"):
        models = {"checkpoint": plain(16, 1), "baseline": conditional()}
        NearestDigits([100], 100, None).make(figure_inputs(models, split_digits))
    with pytest.raises(UserError, match="digits has no held-out images"):
        FeatureAccuracy([1e-3], 0.2, 20, 2, None).make(
            figure_inputs({"checkpoint": plain(16, 1)}, {None: split_digits[None]})
        )
    bare = Pack(split_digits[None].folder, split_digits[None].manifest, {"images": split_digits[None].images})
    with pytest.raises(UserError, match="digits does not have one class per image: type data=cifar10"):
        FeatureAccuracy([1e-3], 0.2, 20, 2, None).make(
            figure_inputs({"checkpoint": plain(16, 1)}, {None: bare, "test": bare})
        )
    assert torch.get_default_dtype() is torch.float32


def share(name: str) -> str:
    return f"<{name}>"


def test_table_1_as_the_paper_lays_it_out() -> None:
    rows = FeatureAccuracy([1e-3], 0.2, 400, 2, None).layout(share)
    assert rows[0] == ["model", "accuracy", "accuracy, 400 per class", "max feature units"]
    assert rows[1] == ["1 Layer K-means", "80.6 %", "63.7 % (+-0.7 %)*", "4800"]
    assert rows[5:] == [
        ["DCGAN + L2-SVM", "82.8 %", "73.8 % (+-0.4 %)", "512"],
        ["ours, DCGAN + L2-SVM", "<accuracy>", "<accuracy_few>", "<largest_layer>"],
        ["ours, random filters", "<accuracy_random>", "<accuracy_few_random>", "<largest_layer>"],
    ]
    assert FeatureAccuracy([1e-3], 0.2, 20, 2, None).layout(share)[-1][0] == "ours, random filters (20 per class)"


def test_table_2_as_the_paper_lays_it_out() -> None:
    rows = FewLabelsError(100, [1e-3], 1, 1, 0, 10).layout(share)
    assert rows[0] == ["model", "error"] and len(rows) == 1 + 9 + 4
    assert rows[8] == ["DCGAN + L2-SVM", "22.48 %"] and rows[10] == ["ours, DCGAN + L2-SVM", "<error>"]
    assert rows[13] == ["ours, supervised CNN of the same layout (test)", "<supervised_test>"]
    fewer = FewLabelsError(10, [1e-3], 1, 1, 0, 10).layout(share)
    assert fewer[10][0] == "ours, DCGAN + L2-SVM, 10 labels per class"


@pytest.mark.parametrize(
    ("counts", "name", "first", "second"),
    [
        ([50_000, 10_000_000], "ours, DCGAN", "<dcgan_at_50000>", "<dcgan_at_10000000>"),
        ([1_000_000, 50_000], "ours, DCGAN (1,000,000)", "<dcgan_at_50000>", "<dcgan_at_1000000>"),
        ([1_000, 50_000], "ours, DCGAN", "<dcgan_at_50000>", "-"),
        ([100, 2_000], "ours, DCGAN (2,000)", "<dcgan_at_2000>", "-"),
    ],
)
def test_table_3_names_the_largest_count(counts: list[int], name: str, first: str, second: str) -> None:
    rows = NearestDigits(counts, 50_000, None).layout(share)
    assert rows[0] == ["model", "@50K", "@10M samples"] and rows[5] == ["DCGAN", "2.98 %", "1.48 %"]
    assert rows[6] == ["ours, real data", "<real_at_50000>", "-"] and rows[8] == [name, first, second]
    assert {len(row) for row in rows} == {3}
    assert NearestDigits(counts, 1_000, None).layout(share)[6][:2] == ["ours, real data (1,000)", "<real_at_1000>"]


def test_one_number_is_no_list() -> None:
    for make in (
        lambda: NearestDigits(100, 100, None),
        lambda: FeatureAccuracy(1e-3, 0.2, 20, 2, None),
        lambda: FewLabelsError(10, 1e-3, 2, 3, 1, 300),
    ):
        with pytest.raises(ValueError, match="must be a list"):
            make()


def test_a_layout_without_a_supervised_network_is_refused_before_the_work(
    plain: Callable, conditional: Callable, figure_inputs: Callable
) -> None:
    item, model = FewLabelsError(10, [1e-3], 2, 3, 1, 300), plain(16, 1)
    with pytest.raises(UserError, match="a checkpoint is conditional, .* type table.trials=0"):
        item.make(figure_inputs({"checkpoint": conditional()}, {}))
    model.system.networks["discriminator"] = dcgan.Discriminator(16, 1, width=4, head="convolution")
    with pytest.raises(ValueError, match="does not end in a linear layer of one logit: type table.trials=0"):
        item.make(figure_inputs({"checkpoint": model}, {}))
