import torch

from ganlab.metrics.features import DigitsFeatures
from ganlab.metrics.modes import Modes
from ganlab.metrics.train_digits import digits


def test_counts_the_digits_that_are_drawn() -> None:
    images, labels = digits()
    metric = Modes(DigitsFeatures())
    metric.update(images[labels < 7][:300], real=False)
    values = metric.compute()
    assert values["modes_digits"] == 7
    assert values["confident_digits"] > 0.95


def test_noise_and_plain_grey_are_no_digits() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (200, 1, 32, 32), dtype=torch.uint8, generator=generator)
    metric = Modes(DigitsFeatures())
    metric.update(noise, real=False)
    metric.update(torch.full((50, 1, 32, 32), 127, dtype=torch.uint8), real=False)
    metric.update(torch.zeros(50, 1, 32, 32, dtype=torch.uint8), real=False)
    assert metric.compute() == {"confident_digits": 0.0, "modes_digits": 0}
