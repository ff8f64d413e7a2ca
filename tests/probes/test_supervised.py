from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from ganlab.networks.dcgan import Discriminator
from ganlab.probes.supervised import Trial, classifier_like, train_supervised, trials


def halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures that are lighter in the upper (0) or the lower half (1)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    images = rng.integers(0, 120, (count, 16, 16, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[8 * label : 8 * label + 8] += 120
    return images, labels


def test_the_layout_is_the_discriminators_and_the_weights_are_not() -> None:
    discriminator = Discriminator(image_size=16, channels=1, width=4)
    network = classifier_like(discriminator, 10, seed=0)
    assert network(torch.zeros(3, 1, 16, 16)).shape == (3, 10)
    ours, theirs = dict(network.named_parameters()), dict(discriminator.named_parameters())
    differ = {name for name in ours if name not in theirs or ours[name].shape != theirs[name].shape}
    assert differ == {"head.1.weight", "head.1.bias"}
    assert not torch.equal(ours["from_image.0.weight"], theirs["from_image.0.weight"])
    again = classifier_like(discriminator, 10, seed=0).get_parameter
    assert all(torch.equal(ours[name], again(name)) for name in ours)


def test_it_learns_what_can_be_learned() -> None:
    network = classifier_like(Discriminator(image_size=16, channels=1, width=4), 2, seed=0)
    images, labels = halves(200, 0)
    trial = Trial(lr=3e-3, beta1=0.9, weight_decay=1e-5, batch_size=32, dropout=0.2, epochs=4)
    classify = train_supervised(network, images, labels, trial, (-1.0, 1.0), seed=0)
    others, wanted = halves(600, 1)
    assert (classify(others).numpy() == wanted).mean() > 0.95


def test_trials_are_random_and_the_same_for_any_count() -> None:
    few, many = list(trials(3, 7)), list(islice(trials(64, 7), 3))
    assert few == many and len({trial.lr for trial in trials(64, 7)}) == 64
    for trial in trials(64, 1):
        assert 1e-4 <= trial.lr <= 1e-2 and trial.batch_size in (32, 64, 128) and 20 <= trial.epochs <= 100


def test_other_layouts_are_refused() -> None:
    with pytest.raises(ValueError, match="does not end in a linear layer of one logit"):
        classifier_like(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten()), 10, seed=0)
