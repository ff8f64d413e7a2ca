"""Table 3: real digits classified by their nearest neighbours among generated ones."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ganlab.arguments import Count
from ganlab.errors import UserError
from ganlab.paper.figure import Claim, Item, Material, Model, Outcome
from ganlab.probes.nearest import NearestScore, scores_by_count

BATCH = 1_000  # samples of one pass; with batch statistics they depend on each other
FEW, MANY = 50_000, 10_000_000  # samples of the paper's two columns
PAPER = [
    ["AlignMNIST", "-", "1.4 %*"],
    ["InfiMNIST", "-", "2.6 %*"],
    ["real data", "3.1 %*", "-"],
    ["GAN", "6.28 %*", "5.65 %*"],
    ["DCGAN", "2.98 %", "1.48 %"],
]


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
        "real_at_50000": "0.031*",
        "baseline_at_50000": "0.0628*",
        "baseline_at_10000000": "0.0565*",
        "dcgan_at_50000": "0.0298",
        "dcgan_at_10000000": "0.0148",
    }
    differs: ClassVar = (
        "the authors train on 50,000 of MNIST's 60,000 training images; experiment=mnist_conditional and mnist_gan on "
        "all of them",
        "the layers of the paper's GAN are not told; those of architecture=mlp_conditional are our choice",
        "a value of the paper's with * is one that is widely quoted; it was not checked against the paper",
    )
    claims: ClassVar = (
        Claim("DCGAN samples classify better than the GAN's", "baseline_error", "dcgan_error"),
        Claim("and as many of them as there are real images better than these", "real_error", "dcgan_at_reals"),
    )

    def __init__(self, counts: list[Count], reals: Count, test: Count | None) -> None:
        self.counts, self.reals, self.test = sorted(counts), reals, test
        if not self.counts or self.counts[0] < 1:
            raise UserError(f"table.counts={counts} names no numbers of samples: type some, as [1000,10000]")

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
        outcome = Outcome(
            remarks=[
                f"{len(queries):,} test images; samples of each model at most {self.counts[-1]:,}, their labels drawn "
                "uniformly, as in the authors' code"
            ],
            differs=[normalised(role, model) for role, model in models.items()],
        )
        device = material.model.device
        given = queries.to(device), labels.to(device)
        chosen = np.sort(np.random.default_rng(material.seed).permutation(len(train))[: self.reals])
        reals = (torch.from_numpy(train.images[chosen].copy()), torch.from_numpy(np.array(train.labels)[chosen]))
        for score in scores_by_count(*given, [reals], [len(chosen)]):
            outcome.scores |= {f"real_at_{score.samples}": score.error, "real_error": score.error}
            material.interim(outcome)
        for role, model in models.items():
            last = float("nan")
            for score in self.stream(role, model, given, len(chosen), material.seed):
                outcome.scores[f"{role}_at_{score.samples}"] = last = score.error
                if score.samples == len(chosen):
                    outcome.scores[f"{role}_at_reals"] = score.error
                material.interim(outcome)
            outcome.scores[f"{role}_error"] = last
        return outcome

    def stream(
        self, role: str, model: Model, given: tuple[Tensor, Tensor], reals: int, seed: int
    ) -> Iterator[NearestScore]:
        """Yield the errors after each count of a model's samples, and after as many as there are ``reals``."""
        most = self.counts[-1]
        with tqdm(total=most, desc=f"nearest of the {role}'s samples", disable=None) as bar:

            def batches() -> Iterator[tuple[Tensor, Tensor]]:
                for index in range(-(-most // BATCH)):
                    images = model.system.generation_batch(index, BATCH, seed)
                    asked = model.system.generation_labels(index, BATCH, seed)
                    assert asked is not None, "make() has refused models without classes"
                    bar.update(BATCH)
                    yield images.permute(0, 2, 3, 1).contiguous(), asked.to(images.device)

            yield from scores_by_count(*given, batches(), [*self.counts, *([reals] if reals <= most else [])])

    def layout(self, told: Callable[[str], str]) -> list[list[str]]:
        """Return the paper's table 3 and our rows, which name the largest count where it is not the paper's."""
        largest = self.counts[-1]
        few = min(FEW, largest)
        many = MANY if MANY in self.counts else largest
        noted = "" if many in (FEW, MANY) else f" ({many:,})"
        real = "" if self.reals == FEW else f" ({self.reals:,})"
        rows = [[f"ours, real data{real}", told(f"real_at_{self.reals}"), "-"]]
        for role, name in (("baseline", "GAN"), ("dcgan", "DCGAN")):
            second = told(f"{role}_at_{many}") if many > FEW else "-"
            rows.append([f"ours, {name}{noted}", told(f"{role}_at_{few}"), second])
        return [["model", "@50K", "@10M samples"], *PAPER, *rows]


def normalised(role: str, model: Model) -> str:
    """Return what batch norm uses where a model's samples are drawn, beside what it uses in the authors' code."""
    statistics = model.generator.sampling_statistics
    if statistics == "batch":
        return f"batch norm of the {role} uses the statistics of batches of {BATCH:,} samples (the authors': of 128)"
    return f"batch norm of the {role} uses {statistics} statistics (the authors': those of batches of 128 samples)"
