from itertools import groupby

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.data.deduplication.hashing import AutoEncoder, Hashing, equal_codes, fit, standardized, thumbnails
from ganlab.errors import UserError

SETTINGS = {"noise": "gaussian", "noise_level": 1.0, "dropout": 0.2, "images": 1000} | {
    "learning_rate": 1e-3, "batch_size": 50, "seed": 0
}  # fmt: skip


def learn(pictures: np.ndarray, **changes) -> AutoEncoder:
    return fit(pictures.__getitem__, len(pictures), Hashing(**SETTINGS | changes), iter)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(4, 15))
@settings(max_examples=30, deadline=None)
def test_groups_are_those_of_a_dictionary(values: list[int], byte: int):
    codes = np.zeros((len(values), 16), np.uint8)
    codes[:, byte], codes[:, 3] = values, np.array(values) % 2
    order, starts = equal_codes(codes)
    groups = [group.tolist() for group in np.split(order, starts[1:])]
    expected = [
        list(group) for _, group in groupby(sorted(range(len(values)), key=values.__getitem__), values.__getitem__)
    ]
    assert sorted(groups) == sorted(expected)


def test_thumbnails_average_areas_in_colour():
    picture = np.arange(64 * 64, dtype=np.uint32).astype(np.uint8).reshape(1, 64, 64, 1)
    small = thumbnails(picture).reshape(3, 32, 32)
    assert small[0, 0, 0] == picture[0, :2, :2].mean() and small[2, 31, 30] == picture[0, 62:, 60:62].mean()
    assert thumbnails(np.full((2, 20, 20, 3), 9, np.uint8)).unique().tolist() == [9]
    assert thumbnails(np.zeros((2, 48, 48, 3), np.uint8)).shape == (2, 3072)


def test_codes_follow_neither_brightness_nor_contrast(rng):
    picture = rng.integers(60, 120, (1, 32, 32, 3), np.uint8)
    inputs = [standardized(thumbnails(each)) for each in (picture, picture + 30, picture * 2)]
    assert all(torch.allclose(inputs[0], other, atol=1e-5) for other in inputs[1:])
    assert inputs[0].mean().abs() < 1e-5 and abs(inputs[0].square().mean() - 1) < 1e-5
    assert standardized(thumbnails(np.full((1, 8, 8, 1), 200, np.uint8))).abs().max() == 0


@pytest.mark.parametrize("noise, level", [("gaussian", 1.0), ("masking", 0.3)])
def test_learning_rebuilds_pictures_and_follows_the_seed_alone(rng, noise, level):
    pictures = rng.integers(0, 256, (8, 4, 4, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    state = torch.get_rng_state()
    first, again, other = (learn(pictures, noise=noise, noise_level=level, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    inputs = standardized(thumbnails(pictures))
    codes = [network.codes(inputs) for network in (first, again, other)]
    assert np.array_equal(codes[0], codes[1]) and not np.array_equal(codes[0], codes[2])
    assert torch.equal(first.encoder.weight, again.encoder.weight)
    kept = torch.ones(8, 128)
    assert (first(inputs, kept) - inputs).square().mean() < 0.9  # nothing learned: 1
    assert [*map(tuple, (first.encoder.weight.shape, first.decoder.weight.shape))] == [(128, 3072), (3072, 128)]


def test_codes_are_the_signs_of_the_code_layer(rng):
    network = AutoEncoder(torch.Generator().manual_seed(0))
    inputs = torch.from_numpy(rng.normal(size=(5, 3072))).float()
    units = np.unpackbits(network.codes(inputs), axis=1)
    assert units.shape == (5, 128) and np.array_equal(units, (network.encoder(inputs) > 0).numpy())


@pytest.mark.parametrize(
    "change", [{"noise": "blur"}, {"noise": "masking", "noise_level": 1.5}, {"dropout": 1.0}, {"learning_rate": 0}]
)
def test_impossible_settings_are_refused(change):
    with pytest.raises((UserError, ValueError), match=rf"({'|'.join(change)})="):
        Hashing(**SETTINGS | change)
