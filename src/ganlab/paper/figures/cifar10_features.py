"""Table 1: CIFAR-10 classified upon the discriminator's features."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ganlab.arguments import Count, Positive, Several, Share
from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.paper.figure import Claim, Item, Material, Outcome
from ganlab.paper.provenance import trained_on
from ganlab.probes.features import PooledFeatures
from ganlab.probes.few_labels import balanced_draw
from ganlab.probes.svm import choose_svm, fit_svm

FEW = 400  # labels of a class in the paper's second column
PAPER = [
    ["1 Layer K-means", "80.6 %", "63.7 % (+-0.7 %)*", "4800"],
    ["3 Layer K-means Learned RF", "82.0 %", "70.7 % (+-0.7 %)*", "3200*"],
    ["View Invariant K-means", "81.9 %*", "72.6 % (+-0.7 %)*", "6400*"],
    ["Exemplar CNN", "84.3 %", "77.4 % (+-0.2 %)*", "1024*"],
    ["DCGAN + L2-SVM", "82.8 %", "73.8 % (+-0.4 %)", "512"],
]


class FeatureAccuracy(Item):
    """All convolutional layers max-pooled to 4x4 and concatenated, under a linear L2-SVM, and as much with few labels.

    Args:
        grid: of C, chosen on images of the training set that are held out for it.
        held_out: share of the training set for that.
        per_class: labels of a class where they are few (paper: 400).
        draws: of so many labels.
        images: of the training set that are used; null: all.
    """

    title = "classification upon the discriminator's features"
    published: ClassVar = {
        "accuracy": "0.828",
        "accuracy_few": "0.738 (+-0.004)",
        "features": "28672",
        "largest_layer": "512",
    }
    differs: ClassVar = (
        "how C was chosen is not told in the paper; here on a part of the training set",
        "a value of the paper's with * is one that is widely quoted; it was not checked against the paper",
    )
    claims: ClassVar = (
        Claim("features of the trained discriminator are ahead of random ones", "accuracy", "accuracy_random"),
        Claim("the same with few labels", "accuracy_few", "accuracy_few_random"),
    )

    def __init__(
        self, grid: list[Positive], held_out: Share, per_class: Count, draws: Count, images: Several | None
    ) -> None:
        self.grid, self.held_out, self.per_class, self.draws, self.images = (
            list(grid),
            held_out,
            per_class,
            draws,
            images,
        )

    def make(self, material: Material) -> Outcome:
        """Measure the trained discriminator and one of random weights."""
        train, test = material.training, material.held_out()
        for pack in (train, test):
            if pack.labels is None or pack.labels.ndim != 1:
                raise UserError(f"{pack.manifest['source']} has no class an image to classify: type data=cifar10")
        used = len(self.order(train, 0))
        few = self.per_class * len(np.unique(np.asarray(train.labels)))
        outcome = Outcome(
            remarks=[f"{used:,} training and {len(test):,} test images"],
            differs=[
                "the paper's discriminator was trained on ImageNet-1k and never saw CIFAR-10; ours on "
                f"{trained_on(material.model)}",
                f"C for {few:,} labels is chosen on {used - self.cut(used):,} more that are held out",
            ],
        )
        random = material.random_discriminator()
        for suffix, network in (("", material.model.discriminator), ("_random", random)):
            outcome.scores |= self.measure(network, train, test, material, suffix)
            material.interim(outcome)
        return outcome

    def layout(self, told: Callable[[str], str]) -> list[list[str]]:
        """Return the paper's table 1 and our rows, which name the number of labels where it is not the paper's."""
        noted = "" if self.per_class == FEW else f" ({self.per_class} per class)"
        ours = [
            [f"ours, {name}{noted}", told(f"accuracy{suffix}"), told(f"accuracy_few{suffix}"), told("largest_layer")]
            for name, suffix in (("DCGAN + L2-SVM", ""), ("random filters", "_random"))
        ]
        return [["model", "accuracy", f"accuracy, {FEW} per class", "max feature units"], *PAPER, *ours]

    def order(self, train: Pack, seed: int) -> np.ndarray:
        """Return the numbers of the training images that are used, shuffled."""
        return np.random.default_rng(seed).permutation(len(train))[: self.images]

    def cut(self, count: int) -> int:
        """Return how many of the images that are used are not held out."""
        return count - round(self.held_out * count)

    def measure(self, network: nn.Module, train: Pack, test: Pack, material: Material, suffix: str) -> dict[str, float]:
        """Return accuracies on the test set with all labels and with few."""
        model = material.model
        order = self.order(train, material.seed)
        features = PooledFeatures(network, model.image()[0], model.value_range, label=model.label)
        features.freeze(train.images[np.sort(order)])
        labels, wanted = np.asarray(train.labels)[order], torch.as_tensor(np.asarray(test.labels))
        material.folder.mkdir(parents=True, exist_ok=True)
        file = material.folder / f"features{suffix}.dat"
        seen = np.memmap(file, np.float32, "w+", shape=(len(order), features.length))
        file.unlink()  # its bytes stay while they are mapped, and are gone with the process, however that ends
        features.extract(train.images[order], out=seen)
        known = features.extract(np.asarray(test.images))
        cut, device = self.cut(len(order)), model.device
        choice = choose_svm((seen[:cut], labels[:cut]), (seen[cut:], labels[cut:]), self.grid, device=device)
        whole = fit_svm(seen, labels, choice.c, device=device, start=choice.classifier)
        few = self.few((seen[:cut], labels[:cut]), (seen[cut:], labels[cut:]), (known, wanted), material.seed, device)
        scores = {"accuracy": whole.accuracy(known, wanted), "c": choice.c} | few
        sizes = {"features": features.length, "largest_layer": max(one.maps for one in features.layers)}
        return {f"{name}{suffix}": value for name, value in scores.items()} | sizes

    def few(self, train: tuple, held_out: tuple, test: tuple, seed: int, device: torch.device) -> dict[str, float]:
        """Return mean and deviation of the accuracy with few labels, C chosen on the images held out."""
        rng, classes = np.random.default_rng(seed), int(train[1].max()) + 1
        found = []
        for _ in range(self.draws):
            drawn = balanced_draw(train[1], self.per_class, rng)
            labelled = train[0][drawn], train[1][drawn]
            choice = choose_svm(labelled, held_out, self.grid, classes=classes, device=device)
            found.append(choice.classifier.accuracy(*test))
        return {"accuracy_few": float(np.mean(found)), "deviation_few": float(np.std(found))}
