from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.cas import CAS
from ganlab.metrics.reals import Reals

VALUES: dict[str, Any] = {"images": 1_500, "batch_size": 50, "learning_rate": 1e-2, "width": 4, "seed": 0}


def score(metric: CAS, images: np.ndarray, labels: np.ndarray, order: list[int], size: int) -> float:
    pixels, asked = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels)
    metric.reset()
    for indices in torch.tensor(order).split(size):
        metric.update(Generated(pixels[indices], None, indices, asked[indices]))
    return metric.compute()["cas_small_cnn"]


def test_labels_that_fit_teach_and_others_do_not(bars: Callable[[int], Any], labelled: Callable[..., Any]) -> None:
    pack = bars(300)
    images, rows = pack.images, pack.labels[:, 0]
    held_out = Reals(labelled(images[200:], rows[200:]), 100, 50, 0, torch.device("cpu"))
    metric = CAS(**VALUES)
    metric.take_reals(Reals(labelled(images[:200], rows[:200]), 200, 50, 0, torch.device("cpu"), held_out))
    right = score(metric, images[:200], rows[:200], list(range(200)), 200)
    assert right > 0.9
    assert score(metric, images[:200], rows[:200], list(range(199, -1, -1)), 33) == right
    assert score(metric, images[:200], (rows[:200] + 1) % 3, list(range(200)), 200) < 0.1
    record = metric.protocol()
    assert (record["tested_on"], record["real"]) == ("held-out images", 100)
    assert record["real_accuracy"] > 0.9


def test_without_held_out_images_the_record_says_so(bars: Callable[[int], Any], labelled: Callable[..., Any]) -> None:
    pack = bars(100)
    metric = CAS(**VALUES)
    metric.take_reals(Reals(labelled(pack.images, pack.labels[:, 0]), 50, 50, 0, torch.device("cpu")))
    record = metric.protocol()
    assert record["tested_on"] == "training images: nothing was held out"
    assert record["real"] == 100 and "real_accuracy" not in record
