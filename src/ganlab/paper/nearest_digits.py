"""Table 3: real digits classified by their nearest neighbours among generated ones."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ganlab.errors import UserError
from ganlab.paper.item import Claim, Item, Material, Model, Outcome
from ganlab.probes.nearest import NearestScore, scores_by_count

BATCH = 1_000  # samples of one pass; with batch statistics they depend on each other


class NearestDigits(Item):
    """Error of 1-NN on the test set, by real images and by up to millions of labelled samples of two models.

    Args:
        counts: of samples.
        reals: training images that the real row uses (paper: 50,000).
        test: images of the test set; null: all.
    """

    title = "nearest neighbours among generated digits"
    needs: ClassVar = ("checkpoint", "baseline")
    published: ClassVar = {
        "real_at_50000": "0.031",
        "baseline_at_50000": "0.0628",
        "baseline_at_10000000": "0.0565",
        "dcgan_at_50000": "0.0298",
        "dcgan_at_10000000": "0.0148",
    }
    differs: ClassVar = ("labels are drawn uniformly, as in the authors' code",)
    claims: ClassVar = (
        Claim("DCGAN samples classify better than the GAN's", "baseline_error", "dcgan_error"),
        Claim("and better than as many real images", "real_error", "dcgan_error"),
    )

    def __init__(self, counts: list[int], reals: int, test: int | None) -> None:
        self.counts, self.reals, self.test = counts, reals, test

    def make(self, material: Material) -> Outcome:
        """Stream samples past the test set."""
        models = {"baseline": material.models["baseline"], "dcgan": material.model}
        for role, model in models.items():
            if not model.system.classes:
                raise UserError(
                    f"{model.name} ({role}) knows no classes, so that its samples have no labels: train one such as "
                    "experiment=mnist_conditional"
                )
        train, test = material.training, material.held_out()
        queries = torch.from_numpy(np.array(test.images[: self.test]))
        labels = torch.from_numpy(np.array(test.labels))[: self.test]
        outcome = Outcome(remarks=[f"{len(queries):,} test images; samples of each model at most {max(self.counts):,}"])
        device = material.model.device
        given = queries.to(device), labels.to(device)
        chosen = np.sort(np.random.default_rng(material.seed).permutation(len(train))[: self.reals])
        reals = (torch.from_numpy(train.images[chosen].copy()), torch.from_numpy(np.array(train.labels)[chosen]))
        for score in scores_by_count(*given, [reals], [len(chosen)]):
            outcome.scores |= {f"real_at_{score.samples}": score.error, "real_error": score.error}
        for role, model in models.items():
            for score in self.stream(role, model, given, material.seed):
                outcome.scores |= {f"{role}_at_{score.samples}": score.error, f"{role}_error": score.error}
        return outcome

    def stream(self, role: str, model: Model, given: tuple[Tensor, Tensor], seed: int) -> Iterator[NearestScore]:
        """Yield the errors after each count of a model's samples."""
        with tqdm(total=max(self.counts), desc=f"nearest of the {role}'s samples", disable=None) as bar:

            def batches() -> Iterator[tuple[Tensor, Tensor]]:
                for index in range(-(-max(self.counts) // BATCH)):
                    images = model.system.generation_batch(index, BATCH, seed)
                    asked = model.system.generation_labels(index, BATCH, seed)
                    assert asked is not None, "make() has refused models without classes"
                    bar.update(BATCH)
                    yield images.permute(0, 2, 3, 1).contiguous(), asked.to(images.device)

            yield from scores_by_count(*given, batches(), self.counts)
