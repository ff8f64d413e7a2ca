"""Table 1: classification of CIFAR-10 on the discriminator's features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ganlab.arguments import Count, Positive, Several, Share, checked
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.paper.figure import QUOTED, Claim, Figure, FigureInputs, FigureResult, Model
from ganlab.probes.features import PooledFeatures
from ganlab.probes.few_labels import balanced_draw
from ganlab.probes.linear import choose_svm, fit_svm

FEW = 400  # labels per class in the paper's second column
PAPER = [
    ["1 Layer K-means", "80.6 %", "63.7 % (+-0.7 %)*", "4800"],
    ["3 Layer K-means Learned RF", "82.0 %", "70.7 % (+-0.7 %)*", "3200*"],
    ["View Invariant K-means", "81.9 %*", "72.6 % (+-0.7 %)*", "6400*"],
    ["Exemplar CNN", "84.3 %", "77.4 % (+-0.2 %)*", "1024*"],
    ["DCGAN + L2-SVM", "82.8 %", "73.8 % (+-0.4 %)", "512"],
]


@checked
@dataclass
class FeatureAccuracy(Figure):
    """Accuracy of a linear L2-SVM on all convolutional layers, max-pooled to 4x4, with all labels and with few."""

    grid: list[Positive]  # values of C, chosen on held-out training images
    held_out: Share  # share of the training set that is held out for C
    per_class: Count  # labels per class in the second column (paper: 400)
    draws: Count  # of so many labels
    images: Several | None  # training images to use; None: all

    title = "classification on the discriminator's features"
    published: ClassVar = {
        "accuracy": "0.828",
        "accuracy_few": "0.738 (+-0.004)",
        "features": "28672",
        "largest_layer": "512",
    }
    differs: ClassVar[tuple[str, ...]] = (
        "the paper does not state how C was chosen; here on a part of the training set",
        QUOTED,
    )
    claims: ClassVar = (
        Claim("features of the trained discriminator beat those of random weights", "accuracy", "accuracy_random"),
        Claim("the same with few labels", "accuracy_few", "accuracy_few_random"),
    )

    def make(self, inputs: FigureInputs) -> FigureResult:
        train, test = inputs.training, inputs.held_out()
        for pack in (train, test):
            if pack.labels is None or pack.labels.ndim != 1:
                raise UserError(f"{pack.manifest['source']} does not have one class per image: type data=cifar10")
        used = len(self.order(train, 0))
        few = self.per_class * len(np.unique(np.asarray(train.labels)))
        result = FigureResult(
            remarks=[f"{used:,} training and {len(test):,} test images"],
            differs=[
                *self.training_differs(inputs),
                f"C for {few:,} labels is chosen on {used - self.cut(used):,} held-out labels",
            ],
        )
        for suffix, network in self.networks(inputs).items():
            result.scores |= self.measure(network, train, test, inputs, suffix)
            inputs.save_partial(result)
        return result

    def networks(self, inputs: FigureInputs) -> dict[str, nn.Module]:
        """Return the networks whose features are compared, by the suffix of their scores."""
        return {"": inputs.model.discriminator, "_random": inputs.random_discriminator()}

    def example(self, model: Model) -> Tensor:
        """Return a picture (1, C, H, W) for these networks."""
        return model.discriminator_inputs()[0]

    def training_differs(self, inputs: FigureInputs) -> list[str]:
        """Return how the training of the networks differs from the paper's."""
        trained = "the paper's discriminator was trained on ImageNet-1k and never on CIFAR-10"
        return [f"{trained}; ours on {inputs.model.data_name}"]

    def layout(self, score: Callable[..., str]) -> list[list[str]]:
        noted = "" if self.per_class == FEW else f" ({self.per_class} per class)"
        ours = [
            [f"ours, {name}{noted}", score(f"accuracy{suffix}"), score(f"accuracy_few{suffix}"), score("largest_layer")]
            for name, suffix in (("DCGAN + L2-SVM", ""), ("random filters", "_random"))
        ]
        return [["model", "accuracy", f"accuracy, {FEW} per class", "max feature units"], *PAPER, *ours]

    def order(self, train: Pack, seed: int) -> np.ndarray:
        """Return the indices of the training images that are used, shuffled."""
        return np.random.default_rng(seed).permutation(len(train))[: self.images]

    def cut(self, count: int) -> int:
        """Return the number of used images that are not held out."""
        return count - round(self.held_out * count)

    def measure(
        self, network: nn.Module, train: Pack, test: Pack, inputs: FigureInputs, suffix: str
    ) -> dict[str, float]:
        """Return accuracies on the test set with all labels and with few."""
        model = inputs.model
        order = self.order(train, inputs.seed)
        features = PooledFeatures(network, self.example(model), model.value_range, label=model.fixed_label)
        features.freeze(train.images[np.sort(order)])
        labels, truth = np.asarray(train.labels)[order], torch.as_tensor(np.asarray(test.labels))
        inputs.folder.mkdir(parents=True, exist_ok=True)
        file = inputs.folder / f"features{suffix}.dat"
        seen = np.memmap(file, np.float32, "w+", shape=(len(order), features.length))
        file.unlink()  # the mapped bytes live until the process ends, however it ends
        features.extract(train.images[order], out=seen)
        tested = features.extract(np.asarray(test.images))
        cut, device = self.cut(len(order)), model.device
        choice = choose_svm((seen[:cut], labels[:cut]), (seen[cut:], labels[cut:]), self.grid, device=device)
        svm = fit_svm(seen, labels, choice.c, device=device, start=choice.classifier)
        few = self.few((seen[:cut], labels[:cut]), (seen[cut:], labels[cut:]), (tested, truth), inputs.seed, device)
        scores = {"accuracy": svm.accuracy(tested, truth), "c": choice.c} | few
        sizes = {"features": features.length, "largest_layer": max(one.channels for one in features.layers)}
        return {f"{name}{suffix}": value for name, value in scores.items()} | sizes

    def few(self, train: tuple, held_out: tuple, test: tuple, seed: int, device: torch.device) -> dict[str, float]:
        """Return mean and deviation of the accuracy with few labels, C chosen on the held-out images."""
        rng, classes = np.random.default_rng(seed), int(train[1].max()) + 1
        found = []
        for _ in range(self.draws):
            drawn = balanced_draw(train[1], self.per_class, rng)
            labelled = train[0][drawn], train[1][drawn]
            choice = choose_svm(labelled, held_out, self.grid, classes=classes, device=device)
            found.append(choice.classifier.accuracy(*test))
        return {"accuracy_few": float(np.mean(found)), "deviation_few": float(np.std(found))}
