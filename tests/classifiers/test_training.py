import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.classifiers import training as module
from ganlab.classifiers.training import Training, trained_classifier
from ganlab.errors import UserError
from ganlab.metrics.extractors.classifier import ClassifierFeatures

QUICK = Training(images=2_000, batch_size=50, learning_rate=1e-2, width=4, seed=0)


def test_learns_labels_and_passes_over_what_is_not_told(bars: Callable[..., Any]) -> None:
    pack = bars(300)
    pack.labels[::5, 1] = -1
    features = ClassifierFeatures(trained_classifier(pack, QUICK))
    assert features.factors == {"row": 3, "column": 2}
    assert min(features.accuracy.values()) > 0.9
    assert 15 <= features.held_out <= 30
    images = torch.from_numpy(pack.images.transpose(0, 3, 1, 2).copy())
    found = features.by_factor(features(images))["column"].argmax(dim=1).numpy()
    assert (found == pack.labels[:, 1])[pack.labels[:, 1] >= 0].mean() > 0.95


def test_channels_are_judged_by_one_network_of_single_channels(stacked_bars: Callable[..., Any]) -> None:
    features = ClassifierFeatures(trained_classifier(stacked_bars(200), QUICK))
    assert next(features.network.parameters()).shape[1] == 1
    assert (features.num_features, list(features.accuracy)) == (128, ["red", "green"])
    assert min(features.accuracy.values()) > 0.9


def test_is_trained_once_and_the_same_again(
    bars: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack, trainings = bars(100), []
    train = module.train

    def counting(*given: Any) -> bytes:
        trainings.append(given)
        return train(*given)

    monkeypatch.setattr(module, "train", counting)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: trained_classifier(pack, QUICK), range(2))
    assert first == second
    assert len(trainings) == 1
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    (file,) = tmp_path.glob("classifier-*")
    assert list(tmp_path.iterdir()) == [file]
    file.write_bytes(file.read_bytes()[:500])  # damaged: trained anew, to the same bytes
    assert trained_classifier(pack, QUICK) == first
    assert len(trainings) == 2
    known = torch.load(io.BytesIO(first), weights_only=True)
    known["state"] = {name: 1e3 * weights for name, weights in known["state"].items()}
    torch.save(known, file)  # loads, and is no longer what was trained
    assert trained_classifier(pack, QUICK) == first
    assert len(trainings) == 3
    trained_classifier(pack, replace(QUICK, seed=1))
    assert len(list(tmp_path.glob("classifier-*.pt"))) == 2


def test_other_labels_make_another_classifier(bars: Callable[..., Any], tmp_path: Path) -> None:
    pack = bars(100)
    trained_classifier(pack, QUICK)
    pack.manifest["arrays"]["labels"]["crc32"] += 1
    trained_classifier(pack, QUICK)
    assert len(list(tmp_path.glob("classifier-*.pt"))) == 2


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(
    bars: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    assert trained_classifier(bars(100), QUICK)
    assert list(tmp_path.iterdir()) == []
    assert "not kept" in caplog.text


def test_one_picture_alone_teaches_nothing(labelled: Callable[..., Any]) -> None:
    pack = labelled(np.zeros((8, 8, 8, 1), np.uint8), np.arange(8) % 2, classes=["a", "b"])
    with pytest.raises(UserError, match="needs different images"):
        trained_classifier(pack, QUICK)
