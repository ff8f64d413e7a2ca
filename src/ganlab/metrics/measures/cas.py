"""Classification accuracy score (Ravuri and Vinyals, 2019)."""

from typing import Any

import numpy as np
import torch

from ganlab.arguments import Count, Natural, Positive, Several, checked
from ganlab.classifiers.labelled import Labelled
from ganlab.classifiers.training import Training, train_and_test
from ganlab.metrics.metric import PerClassMetric
from ganlab.metrics.reals import Reals

FACTOR = "class"


@checked
class CAS(PerClassMetric):
    """Accuracy on real images of a classifier trained only on generated ones; higher is better.

    The labels are the classes that the generator was given. The classifier is the small convolutional network of
    ``features=classifier``, not the paper's ResNet-50; hence the name ``cas_small_cnn``. It is tested on held-out real
    images or, where there are none, on the generator's training images, and the record says which. With held-out images
    the record also holds ``real_accuracy``, that of the same classifier trained on as many real training images. The
    arguments are those of `ganlab.classifiers.training.Training`.
    """

    wants_held_out = True
    row_dtype = torch.uint8
    names = ("cas_small_cnn",)

    def __init__(
        self, images: Count, batch_size: Several, learning_rate: Positive, width: Count, seed: Natural
    ) -> None:
        super().__init__()
        self.training_values = Training(images, batch_size, learning_rate, width, seed)
        self.tested: Labelled | None = None
        self.held_out = False
        self.real_accuracy: float | None = None

    def take_reals(self, reals: Reals) -> None:
        classes = self.classes_of(reals)
        self.held_out = reals.held_out is not None and reals.held_out.classes is not None
        tested = reals.held_out if self.held_out and reals.held_out is not None else reals
        count = int(max(classes.max(), self.classes_of(tested).max())) + 1
        self.tested = labelled(tested.pack.images, self.classes_of(tested), count)
        if self.held_out:
            drawn = np.sort(reals.order[: reals.sample_count])
            self.real_accuracy = self.score(labelled(reals.pack.images[drawn], classes[drawn], count))

    def compute(self) -> dict[str, float]:
        if self.tested is None:
            return {}
        images = self.in_order().permute(0, 2, 3, 1).cpu().numpy()
        count = self.tested.factors[FACTOR]
        return {self.names[0]: self.score(labelled(images, self.labels_in_order().cpu().numpy(), count))}

    def score(self, data: Labelled) -> float:
        """Return the test accuracy of a classifier trained on ``data``."""
        assert self.tested is not None
        seen, tested = np.arange(len(data)), np.arange(len(self.tested))
        return train_and_test(self.training_values, data, seen, self.tested, tested)[1][FACTOR]

    def protocol(self) -> dict[str, Any]:
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
    """Return uint8 images (N, H, W, C) and their classes (N,), of ``count``, as training data of a classifier."""
    return Labelled(images, classes[:, None], {FACTOR: count}, channelwise=False)
