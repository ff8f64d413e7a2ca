"""Features learnt by completing pictures (Pathak et al. 2016, sec. 5.2): classification on an encoder's layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganlab.arguments import checked
from ganlab.errors import UserError
from ganlab.paper.figure import Claim, FigureInputs, Model
from ganlab.paper.figures.cifar10_features import FeatureAccuracy
from ganlab.probes.random_weights import random_filters
from ganlab.systems.family import Family

ROWS = {"": "encoder of the checkpoint", "_baseline": "encoder of the baseline", "_random": "random weights"}


@checked
@dataclass
class EncoderAccuracy(FeatureAccuracy):
    """Accuracy of an L2-SVM on the pooled layers of a generator's ``encode``: of two models and of random weights."""

    title = "classification on the features of encoders"
    needs: ClassVar = ("checkpoint", "baseline")
    systems: ClassVar = Family
    published: ClassVar = {}
    differs: ClassVar = ("the paper fine-tunes its encoder for classification; here a linear classifier reads it",)
    claims: ClassVar = (
        Claim(
            "features learnt by completion beat the baseline's, such as an auto-encoder's",
            "accuracy",
            "accuracy_baseline",
        ),
        Claim("they beat those of random weights", "accuracy", "accuracy_random"),
    )

    def networks(self, inputs: FigureInputs) -> dict[str, nn.Module]:
        encoder = encoder_of(inputs.model)
        random = random_filters(encoder, inputs.seed + inputs.model.system.seed)
        return {"": encoder, "_baseline": encoder_of(inputs.models["baseline"]), "_random": random}

    def example(self, model: Model) -> Tensor:
        network: Any = model.generator
        return torch.zeros((1, *network.input_shape), device=model.device)

    def training_differs(self, inputs: FigureInputs) -> list[str]:
        return [f"{role}: trained on {model.data_name}" for role, model in inputs.models.items()]

    def layout(self, score: Callable[..., str]) -> list[list[str]]:
        head = ["features", "accuracy", f"accuracy, {self.per_class} per class"]
        rows = [[name, score(f"accuracy{end}"), score(f"accuracy_few{end}")] for end, name in ROWS.items()]
        return [head, *rows]


def encoder_of(model: Model) -> nn.Module:
    """Return the encoder of a model's generator; ``UserError`` if it has none."""
    encoder = getattr(model.generator, "encode", None)
    if not isinstance(encoder, nn.Module):
        raise UserError(f"{model.name} has no encoder: give a checkpoint of system=context_encoder")
    return encoder
