"""Encoders of two small completing networks on digits."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganlab.data.packs.pack import Pack
from ganlab.errors import UserError
from ganlab.paper.figure import Model
from ganlab.paper.figures.encoder_features import EncoderAccuracy
from ganlab.paper.record import percent
from ganlab.probes.features import PooledFeatures


class Completer(nn.Module):
    """Has an encoder, and a decoder that no probe may look at."""

    input_shape = (1, 16, 16)

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encode = nn.Sequential(
            nn.Conv2d(1, 8, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(8, 16, 4, 2, 1),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.2),
        )
        nn.init.normal_(self.encode[0].weight, std=scale)
        self.decode = nn.ConvTranspose2d(16, 1, 4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decode(self.encode(inputs))


class Completion:
    """As much of a system as the table asks for."""

    device, value_range, classes, seed = torch.device("cpu"), (-1.0, 1.0), 0, 3

    def __init__(self, scale: float) -> None:
        self.generator = Completer(scale)

    def ema_or_raw(self, name: str) -> nn.Module:
        return self.generator


def test_encoders_are_compared_with_each_other_and_random_weights(
    figure_inputs: Callable, split_digits: dict[str | None, Pack]
) -> None:
    models = {role: Model(Completion(scale), {}, role) for role, scale in (("checkpoint", 1.0), ("baseline", 0.0))}
    table = EncoderAccuracy([1e-3], 0.2, 20, 2, 400)
    inputs = figure_inputs(models, split_digits)
    scores = table.make(inputs).scores
    assert scores["accuracy"] > 0.7 > scores["accuracy_baseline"] + 0.3  # weights of 0 show nothing
    assert scores["features"] == (8 + 16) * 16 and 0.1 < scores["accuracy_random"] < 1
    train = split_digits[None]
    assert train is not None
    layers = PooledFeatures(table.networks(inputs)[""], table.example(inputs.model)).layers
    assert [layer.channels for layer in layers] == [8, 16]  # the decoder is left out
    rows = table.layout(lambda name: percent([scores[name]]))
    assert [row[0] for row in rows] == [
        "features",
        "encoder of the checkpoint",
        "encoder of the baseline",
        "random weights",
    ]
    assert np.isfinite(scores["accuracy_few_baseline"])


def test_a_generator_without_an_encoder_is_refused(
    figure_inputs: Callable, plain: Callable, split_digits: dict[str | None, Pack]
) -> None:
    inputs = figure_inputs({"checkpoint": plain(16, 1), "baseline": plain(16, 1)}, split_digits)
    with pytest.raises(UserError, match="a checkpoint has no encoder: give a checkpoint of system=context_encoder"):
        EncoderAccuracy([1e-3], 0.2, 20, 2, 400).make(inputs)
