"""Table 1: CIFAR-10 classified upon the discriminator's features."""

from typing import ClassVar

import numpy as np
import torch
from torch import nn

from ganlab.data.pack import Pack
from ganlab.errors import UserError
from ganlab.paper.item import Claim, Item, Material, Outcome
from ganlab.probes.features import PooledFeatures
from ganlab.probes.few_labels import balanced_draw
from ganlab.probes.svm import choose_svm, fit_svm


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
        "features": "28672, of which 512 in the largest layer",
    }
    differs: ClassVar = (
        "the paper's discriminator was trained on ImageNet-1k and never saw CIFAR-10; ours on the data of its run",
        "how C was chosen is not told in the paper; here on a part of the training set",
    )
    claims: ClassVar = (
        Claim("features of the trained discriminator are ahead of random ones", "accuracy", "accuracy_random"),
        Claim("the same with few labels", "accuracy_few", "accuracy_few_random"),
    )

    def __init__(self, grid: list[float], held_out: float, per_class: int, draws: int, images: int | None) -> None:
        self.grid, self.held_out, self.per_class, self.draws, self.images = grid, held_out, per_class, draws, images

    def make(self, material: Material) -> Outcome:
        """Measure the trained discriminator and one of random weights."""
        train, test = material.training, material.held_out()
        for pack in (train, test):
            if pack.labels is None or pack.labels.ndim != 1:
                raise UserError(f"{pack.manifest['source']} has no class an image to classify: type data=cifar10")
        outcome = Outcome()
        random = material.random_discriminator()
        for suffix, network in (("", material.model.discriminator), ("_random", random)):
            outcome.scores |= self.measure(network, train, test, material, suffix)
        outcome.remarks.append(f"{len(self.order(train, 0)):,} training and {len(test):,} test images")
        return outcome

    def order(self, train: Pack, seed: int) -> np.ndarray:
        """Return the numbers of the training images that are used, shuffled."""
        return np.random.default_rng(seed).permutation(len(train))[: self.images]

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
        cut = len(order) - round(self.held_out * len(order))
        device = model.device
        choice = choose_svm((seen[:cut], labels[:cut]), (seen[cut:], labels[cut:]), self.grid, device=device)
        whole = fit_svm(seen, labels, choice.c, device=device, start=choice.classifier)
        few = self.few((seen[:cut], labels[:cut]), (seen[cut:], labels[cut:]), (known, wanted), material.seed)
        scores = {"accuracy": whole.accuracy(known, wanted), "c": choice.c} | few
        return {f"{name}{suffix}": value for name, value in scores.items()} | {"features": features.length}

    def few(self, train: tuple, held_out: tuple, test: tuple, seed: int) -> dict[str, float]:
        """Return mean and deviation of the accuracy with few labels, C chosen on the images held out."""
        rng, classes = np.random.default_rng(seed), int(train[1].max()) + 1
        found = []
        for _ in range(self.draws):
            drawn = balanced_draw(train[1], self.per_class, rng)
            choice = choose_svm((train[0][drawn], train[1][drawn]), held_out, self.grid, classes=classes)
            found.append(choice.classifier.accuracy(*test))
        return {"accuracy_few": float(np.mean(found)), "deviation_few": float(np.std(found))}
