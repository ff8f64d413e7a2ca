"""Classification accuracy score (Ravuri and Vinyals, 2019)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganlab.classifiers.labelled import Labelled
from ganlab.classifiers.network import ImageClassifier
from ganlab.classifiers.training import Training, fit, measure
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.intra_class_fid import ByClass
from ganlab.metrics.reals import Reals

FACTOR = "class"


class CAS(ByClass):
    """The share of real images that a classifier tells which has learned from generated ones alone; higher is better.

    The class that was asked for is the label. The classifier is the small convolutional network of
    ``features=classifier``, hence the name ``cas_small_cnn``: not the ResNet-50 of the paper. It is tested on held-out
    real images; where nothing was held out, on those that the generator was trained on, and the record says so. Beside
    the score the record holds ``real_accuracy``, that of the same classifier when it learns from as many real training
    images, where there are held-out ones to test it on.

    Args:
        images: shown in training, each as often as the others.
        batch_size: images of a step.
        learning_rate: the highest of a one-cycle schedule.
        width: channels of the classifier's first layer.
        seed: of its weights and of the order.
    """

    asks = ("held_out",)
    higher_is_better = True
    kind = torch.uint8
    names = ("cas_small_cnn",)

    def __init__(self, images: int, batch_size: int, learning_rate: float, width: int, seed: int) -> None:
        super().__init__()
        self.training_values = Training(images, batch_size, learning_rate, width, seed)
        self.tested: Labelled | None = None
        self.held_out = False
        self.real_accuracy: float | None = None

    def take_reals(self, reals: Reals) -> None:
        """Remember what to test on; learn from real images, once, where something was held out."""
        classes = self.classes_of(reals)
        self.held_out = reals.held_out is not None and reals.held_out.classes is not None
        tested = reals.held_out if self.held_out and reals.held_out is not None else reals
        count = int(max(classes.max(), self.classes_of(tested).max())) + 1
        self.tested = labelled(tested.pack.images, self.classes_of(tested), count)
        if self.held_out:
            drawn = np.sort(reals.order[: reals.sample_count])
            self.real_accuracy = self.score(labelled(reals.pack.images[drawn], classes[drawn], count))

    def keep(self, batch: Generated, kept: Tensor | slice) -> Tensor:
        """Keep the images (n, C, H, W)."""
        return batch.images[kept]

    def compute(self) -> dict[str, float]:
        """Return the score; nothing on processes that only lend their samples."""
        if self.tested is None:
            return {}
        images = self.in_order().permute(0, 2, 3, 1).cpu().numpy()
        count = self.tested.factors[FACTOR]
        return {self.names[0]: self.score(labelled(images, self.asked_in_order().cpu().numpy(), count))}

    def score(self, data: Labelled) -> float:
        """Return the share of right answers to the test of a classifier that learns from ``data``."""
        assert self.tested is not None
        values = self.training_values
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums then come out the same on any number of cores
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(values.seed)
                network = ImageClassifier(data.shape, data.heads, values.width)
            fit(network, data, np.arange(len(data)), values)
            return measure(network, self.tested, np.arange(len(self.tested)))[FACTOR]
        finally:
            torch.set_num_threads(threads)

    def protocol(self) -> dict[str, Any]:
        """Return how the classifier was trained, and what it was tested on."""
        values = self.training_values
        real = {} if self.real_accuracy is None else {"real_accuracy": round(self.real_accuracy, 4)}
        return {
            "classifier": f"small_cnn, width {values.width}",
            "shown": values.images,
            "classifier_batch": values.batch_size,
            "learning_rate": values.learning_rate,
            "classifier_seed": values.seed,
            "real": 0 if self.tested is None else len(self.tested),
            "tested_on": "held-out images" if self.held_out else "training images: nothing was held out",
            **real,
        }


def labelled(images: np.ndarray, classes: np.ndarray, count: int) -> Labelled:
    """Return images uint8 (N, H, W, C) and classes (N,) out of ``count`` as a classifier learns them."""
    return Labelled(images, classes[:, None], {FACTOR: count}, channelwise=False)
