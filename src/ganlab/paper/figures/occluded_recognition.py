"""Recognition of occluded objects: a classifier of clean pictures on clean, occluded and completed ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision.utils import make_grid

from ganlab.arguments import Count, checked
from ganlab.classifiers.labelled import UNSEEN, Labelled
from ganlab.data.batches import channels_first
from ganlab.data.inputs import LEVELS, MadeInputs
from ganlab.data.references import of_made_inputs
from ganlab.metrics.baselines import completions, pixel_errors
from ganlab.metrics.extractors.classifier import ClassifierFeatures
from ganlab.paper.figure import Claim, Figure, FigureInputs, FigureResult
from ganlab.paper.figures.against_baselines import answered
from ganlab.systems.family import Family
from ganlab.systems.request import BLOCK

SHOWN = 8  # test pictures in the figure, from number 0
NAMES = {"mean_colour": "occluded", "nearest": "nearest neighbour's"}  # what the figure shows above ours
PERCENT = [round(100 * level) for level in LEVELS]


@checked
@dataclass
class OccludedRecognition(Figure):
    """Accuracy on held-out pictures behind three rectangles at three levels; all completions see the same holes."""

    train: Count | None  # training pictures among which neighbours are searched; None: all
    test: Count | None  # test pictures; None: all

    title = "recognition of occluded objects"
    systems: ClassVar = Family
    claims: ClassVar = (
        Claim("the classifier knows clean pictures", "clean", 0.98),
        *(
            Claim(f"at {level} % completions are recognised better than the nearest neighbour's", *names)
            for level in PERCENT
            for names in [(f"completed_{level}", f"nearest_{level}")]
        ),
        *(
            Claim(f"at {level} % they recover 60 % of what occlusion takes away", f"recovered_{level}", 0.6)
            for level in PERCENT
        ),
    )

    def make(self, inputs: FigureInputs) -> FigureResult:
        train, test = inputs.training, inputs.held_out()
        classifier, count = inputs.classifiers.classifier(train), min(self.test or len(test), len(test))
        known, labels = channels_first(train.images[: self.train]), Labelled.of(test).labels[:count]
        counts = f"{len(known):,} training and {count:,} test pictures"
        shown = f"in the figure, for {PERCENT} %: truth, {', '.join(NAMES.values())}, ours; pictures 0 to {SHOWN - 1}"
        result = FigureResult(remarks=[counts, shown])
        result.scores["clean"] = accuracy(classifier, channels_first(test.images[:count]), labels)
        rows = []
        for level, percent in zip(LEVELS, PERCENT, strict=True):
            reference = of_made_inputs(test, MadeInputs("occlusion", level=level), inputs.seed)
            given = reference.shown(np.arange(count))
            pictures, truth, masks = given["inputs"], given["targets"], given["masks"]
            filled = answered(inputs.model.system, given, inputs.seed)
            made = {name: one.round().byte() for name, one in completions(known, pictures, masks).items()}
            made["completed"] = torch.where(masks > 0, filled, pictures)
            for name, one in made.items():
                result.scores[f"{name}_{percent}"] = accuracy(classifier, one, labels)
                result.scores[f"psnr_{name}_{percent}"] = pixel_errors(one, truth, masks)["psnr"]
            occluded, ours = (result.scores[f"{name}_{percent}"] for name in ("mean_colour", "completed"))
            result.scores[f"recovered_{percent}"] = recovered(result.scores["clean"], occluded, ours)
            rows += [truth, *(made[name] for name in (*NAMES, "completed"))]
            inputs.save_partial(result)
        grid = torch.cat([pictures[:SHOWN].expand(-1, 3, -1, -1) for pictures in rows])
        result.pictures[""] = make_grid(grid, nrow=min(SHOWN, count), padding=1, pad_value=255)
        return result

    def layout(self, score: Callable[..., str]) -> list[list[str]]:
        rows = {
            "occluded": "mean_colour", "mean picture": "mean_hole", "nearest neighbour": "nearest",
            "mean of 20 nearest": "mean_of_20_nearest", "completed": "completed", "recovered share": "recovered",
        }  # fmt: skip
        head = [["test pictures", *(f"{level} % occluded" for level in PERCENT)]]
        clean = [["clean", *(score("clean") for _ in PERCENT)]]
        return head + clean + [[name, *(score(f"{key}_{level}") for level in PERCENT)] for name, key in rows.items()]


@torch.no_grad()
def accuracy(classifier: ClassifierFeatures, pictures: Tensor, labels: np.ndarray) -> float:
    """Return the share of labels (N, factors) that pictures (N, C, H, W) show and the classifier names."""
    found = [torch.stack([one.argmax(dim=1) for one in classifier.by_factor(classifier(part)).values()], dim=1)
             for part in pictures.split(BLOCK)]  # fmt: skip
    known = labels != UNSEEN
    return float((torch.cat(found).cpu().numpy() == labels)[known].mean())


def recovered(clean: float, occluded: float, ours: float) -> float:
    """Return the share of the accuracy lost by occlusion that completion gives back; NaN if none was lost."""
    return (ours - occluded) / (clean - occluded) if clean > occluded else float("nan")
