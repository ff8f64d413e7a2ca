from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganlab.classifiers.labelled import Labelled, counted_factors
from ganlab.data.drawn.portraits import Portraits
from ganlab.data.drawn.scenes import Scenes
from ganlab.data.sources.mnist import StackedMNIST
from ganlab.errors import UserError


def test_one_class_an_image(labelled: Callable[..., Any], noise: Callable[..., np.ndarray]) -> None:
    data = Labelled.of(labelled(noise(6, 8, 10, 3), [0, 1, 2, 0, 1, 2], classes=["a", "b", "c"]))
    assert (data.factors, data.heads, data.shape, len(data)) == ({"class": 3}, [3], (3, 8, 10), 6)
    images, labels = data.batch(np.array([1, 5]))
    assert images.shape == (2, 3, 8, 10)
    assert labels.tolist() == [[1], [2]]


def test_several_labels_an_image_but_not_those_of_one_value(
    labelled: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    named = {"bed": ["none", "left", "right"], "one": ["only"], "rug": ["absent", "present"]}
    data = Labelled.of(labelled(noise(3, 8, 8, 3), [[0, 0, 1], [2, 0, -1], [1, 0, 0]], labels=named))
    assert data.factors == {"bed": 3, "rug": 2}
    assert data.labels.tolist() == [[0, 1], [2, -1], [1, 0]]


def test_attributes_are_named_and_others_numbered(
    labelled: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    rows = [[0, 1], [1, 0], [1, 1]]
    assert Labelled.of(labelled(noise(3, 8, 8, 1), rows, attributes=["hat", "beard"])).factors == {"hat": 2, "beard": 2}
    assert Labelled.of(labelled(noise(3, 8, 8, 1), rows)).factors == {"label_0": 2, "label_1": 2}


def test_channels_are_examples_and_labels_their_digits(
    labelled: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    pixels = noise(2, 8, 8, 3)
    channels = {name: [str(digit) for digit in range(10)] for name in ("red", "green", "blue")}
    data = Labelled.of(labelled(pixels, [407, 25], channels=channels))
    assert (len(data), data.shape, data.heads) == (6, (1, 8, 8), [10])
    images, labels = data.batch(np.arange(6))
    assert labels.flatten().tolist() == [4, 0, 7, 0, 2, 5]
    assert np.array_equal(images[5, 0].numpy(), pixels[1, :, :, 2])


def test_equal_pictures_are_held_out_together(labelled: Callable[..., Any], noise: Callable[..., np.ndarray]) -> None:
    pixels = noise(50, 4, 4, 1)[np.arange(400) % 50]
    data = Labelled.of(labelled(pixels, np.arange(400) % 2, classes=["even", "odd"]))
    seen, held_out = data.split(0.1)
    assert (len(seen), len(held_out)) == (360, 40)
    assert not set(seen % 50) & set(held_out % 50)


@pytest.mark.parametrize(
    ("labels", "manifest", "message"),
    [
        (None, {}, "has none: type features=auto"),
        ([0, 0, 0], {"classes": ["face"]}, "all of one class"),
        ([3, 14, 15], {"channels": {"red": ["0", "1"], "green": ["0", "1"]}}, "data.channels=3 has mixed them"),
    ],
)
def test_nothing_to_learn(
    labels: Any,
    manifest: dict[str, Any],
    message: str,
    labelled: Callable[..., Any],
    noise: Callable[..., np.ndarray],
) -> None:
    with pytest.raises(UserError, match=message):
        Labelled.of(labelled(noise(3, 8, 8, 3), labels, **manifest))


def test_factors_count_that_are_wanted_known_and_few() -> None:
    factors, accuracy = {"a": 3, "b": 2, "c": 5}, {"a": 0.99, "b": 0.9, "c": 1.0}
    assert counted_factors(factors, accuracy, None, 0.97, 100) == ["a", "c"]
    assert counted_factors(factors, accuracy, ["c", "b"], 0.5, 100) == ["c", "b"]
    assert counted_factors(factors, accuracy, None, 0.5, 10) == ["a", "b"]
    assert counted_factors(factors, accuracy, None, 0.5, 2) == ["a"]
    with pytest.raises(UserError, match=r"factors names d, which is no label: take a, b, c"):
        counted_factors(factors, accuracy, ["d"], 0.5, 100)
    with pytest.raises(UserError, match=r"type features.classifier.factors=\[a\]"):
        counted_factors(factors, accuracy, "a", 0.5, 100)  # type: ignore[arg-type]


@pytest.mark.parametrize(("source", "combinations"), [(Scenes, 108), (Portraits, 240)])
def test_modes_of_drawn_pictures_are_few_and_always_told(source: type[Scenes | Portraits], combinations: int) -> None:
    drawn = source(count=12, image_size=8, seed=0, split="train")
    notes, labels = drawn.notes(), np.stack([drawn.read(index)["labels"] for index in range(12)])
    assert prod(len(notes["labels"][name]) for name in notes["modes"]) == combinations
    columns = [list(notes["labels"]).index(name) for name in notes["modes"]]
    assert (labels[:, columns] >= 0).all()


def test_stacked_digits_tell_their_channels(
    idx: Callable[..., Any], tmp_path: Path, labelled: Callable[..., Any]
) -> None:
    idx(tmp_path / "MNIST" / "raw")
    source = StackedMNIST(str(tmp_path), "train", count=5, seed=0, download=False)
    records = [source.read(index) for index in range(5)]
    rows = [record["labels"] for record in records]
    data = Labelled.of(labelled(np.stack([record["images"] for record in records]), rows, **source.notes()))
    assert data.factors == {"red": 10, "green": 10, "blue": 10}
    assert (data.labels @ (100, 10, 1)).tolist() == rows
