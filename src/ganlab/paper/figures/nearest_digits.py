"""Table 3: nearest-neighbour classification of real digits by generated ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ganlab.arguments import Count, checked
from ganlab.data.batches import channels_first
from ganlab.errors import UserError
from ganlab.paper.figure import QUOTED, Claim, Figure, FigureInputs, FigureResult, Model
from ganlab.probes.nearest import NearestScore, scores_by_count
from ganlab.systems.request import BLOCK, Request

BATCH = 1_000  # samples per request
FEW, MANY = 50_000, 10_000_000  # samples in the paper's two columns
PAPER = [
    ["AlignMNIST", "-", "1.4 %*"],
    ["InfiMNIST", "-", "2.6 %*"],
    ["real data", "3.1 %*", "-"],
    ["GAN", "6.28 %*", "5.65 %*"],
    ["DCGAN", "2.98 %", "1.48 %"],
]


@checked
@dataclass
class NearestDigits(Figure):
    """Test error of 1-NN classifiers on real images and on up to millions of labelled samples of two models."""

    counts: list[Count]  # of samples
    reals: Count  # training images in the row of real data (paper: 50,000)
    test: Count | None  # test images; None: all

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
        "the paper does not state the layers of its GAN; those of architecture=mlp_conditional are our choice",
        QUOTED,
    )
    claims: ClassVar = (
        Claim("DCGAN samples classify better than the GAN's", "baseline_error", "dcgan_error"),
        Claim(
            "as many DCGAN samples as real images classify better than the real images", "real_error", "dcgan_at_reals"
        ),
    )

    def __post_init__(self) -> None:
        if not self.counts:
            raise UserError("table.counts=[] is empty: type numbers of samples, such as [1000,10000]")
        self.counts = sorted(self.counts)

    def make(self, inputs: FigureInputs) -> FigureResult:
        models = {"baseline": inputs.models["baseline"], "dcgan": inputs.model}
        for role, model in models.items():
            if not model.system.classes:
                raise UserError(
                    f"{model.name} ({role}) is unconditional, so its samples have no labels: train a conditional "
                    "model, such as experiment=mnist_conditional"
                )
        train, test = inputs.training, inputs.held_out()
        queries = channels_first(test.images[: self.test])
        labels = torch.from_numpy(np.array(test.labels))[: self.test]
        result = FigureResult(
            remarks=[
                f"{len(queries):,} test images; up to {self.counts[-1]:,} samples of each model, with uniformly drawn "
                "labels as in the authors' code"
            ],
            differs=[statistics_note(role, model) for role, model in models.items()],
        )
        device = inputs.model.device
        given = queries.to(device), labels.to(device)
        chosen = np.sort(np.random.default_rng(inputs.seed).permutation(len(train))[: self.reals])
        reals = channels_first(train.images[chosen]), torch.from_numpy(np.array(train.labels)[chosen])
        for score in scores_by_count(*given, [reals], [len(chosen)]):
            result.scores |= {f"real_at_{score.samples}": score.error, "real_error": score.error}
            inputs.save_partial(result)
        for role, model in models.items():
            last = float("nan")
            for score in self.stream(role, model, given, len(chosen), inputs.seed):
                result.scores[f"{role}_at_{score.samples}"] = last = score.error
                if score.samples == len(chosen):
                    result.scores[f"{role}_at_reals"] = score.error
                inputs.save_partial(result)
            result.scores[f"{role}_error"] = last
        return result

    def stream(
        self, role: str, model: Model, given: tuple[Tensor, Tensor], reals: int, seed: int
    ) -> Iterator[NearestScore]:
        """Yield the errors after each count of a model's samples, and after as many as ``reals``."""
        most = self.counts[-1]
        with tqdm(total=most, desc=f"nearest of the {role}'s samples", disable=None) as bar:

            def batches() -> Iterator[tuple[Tensor, Tensor]]:
                for index in range(-(-most // BATCH)):
                    request = Request(torch.arange(index * BATCH, (index + 1) * BATCH))
                    images, labels = model.system.respond(request, seed), model.system.labels_for(request, seed)
                    assert labels is not None, "make() refuses unconditional models"
                    bar.update(BATCH)
                    yield images, labels.to(images.device)

            yield from scores_by_count(*given, batches(), [*self.counts, *([reals] if reals <= most else [])])

    def layout(self, score: Callable[[str], str]) -> list[list[str]]:
        largest = self.counts[-1]
        few = min(FEW, largest)
        many = MANY if MANY in self.counts else largest
        noted = "" if many in (FEW, MANY) else f" ({many:,})"
        real = "" if self.reals == FEW else f" ({self.reals:,})"
        rows = [[f"ours, real data{real}", score(f"real_at_{self.reals}"), "-"]]
        for role, name in (("baseline", "GAN"), ("dcgan", "DCGAN")):
            second = score(f"{role}_at_{many}") if many > FEW else "-"
            rows.append([f"ours, {name}{noted}", score(f"{role}_at_{few}"), second])
        return [["model", "@50K", "@10M samples"], *PAPER, *rows]


def statistics_note(role: str, model: Model) -> str:
    """Return the batch-norm statistics of a model's samples and of the authors' code."""
    statistics = model.generator.sampling_statistics
    if statistics == "batch":
        return f"batch norm of the {role} uses the statistics of batches of {BLOCK} samples (the authors': of 128)"
    return f"batch norm of the {role} uses {statistics} statistics (the authors': those of batches of 128 samples)"
