import pickle
from dataclasses import fields, replace
from functools import lru_cache

import numpy as np
import pytest

from ganlab.data.drawn.room import KINDS
from ganlab.data.drawn.scene_factors import FACTORS, LABELS, PROBABILITIES, SceneFactors
from ganlab.data.drawn.scenes import OBJECTS, ScenePairs, Scenes, draw_factors, render
from ganlab.errors import UserError


@lru_cache(maxsize=1)
def many() -> list[SceneFactors]:
    return [draw_factors(0, "train", index) for index in range(4000)]


def near(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Grow a mask by some pixels to all sides."""
    for _ in range(pixels):
        padded = np.pad(mask, 1)
        mask = padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return mask


def windows(mask: np.ndarray) -> np.ndarray:
    return np.isin(mask, [KINDS.index("window_1"), KINDS.index("window_2")])


def test_names_agree_with_the_fields():
    assert [field.name for field in fields(SceneFactors)] == [*LABELS, *FACTORS]
    assert set(OBJECTS) < set(KINDS)


def test_seed_split_and_index_decide_everything():
    source = Scenes(5, 32, seed=3, split="train")
    first, again = source.read(2), pickle.loads(pickle.dumps(source)).read(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    others = [draw_factors(3, "train", 1), draw_factors(3, "test", 2), draw_factors(4, "train", 2)]
    drawn = [draw_factors(3, "train", 2), *others]
    assert len({factors.view for factors in drawn}) == 4
    assert len({render(factors, 32).image.tobytes() for factors in drawn}) == 4


def test_golden_picture():
    """If this changes, pixels have changed: increase ``renderer``, so that packs are rebuilt."""
    factors = draw_factors(0, "train", 5)
    assert (factors.windows, factors.sky, factors.bed, factors.floor) == ("two", "day", "right", "walnut")
    assert factors.view == pytest.approx(-0.007883, abs=1e-6)
    image = render(factors, 32).image
    blocks = image.reshape(4, 8, 4, 8, 3).mean((1, 3, 4))
    golden = [
        [213.92, 218.12, 218.12, 214.07],
        [187.04, 180.24, 192.63, 182.88],
        [184.22, 190.88, 174.03, 169.76],
        [140.57, 166.22, 104.74, 93.95],
    ]
    assert np.abs(blocks - golden).max() < 0.3


def test_record_is_what_the_source_declares():
    source = Scenes(4, 32, seed=0, split="test")
    record = source.read(3)
    assert source.name == "scenes-test" and source.content == "scenes" and len(source) == 4
    assert record["images"].shape == (32, 32, 3) and record["images"].dtype == np.uint8
    assert set(record) == {"images", *source.extras}
    for name, (dtype, shape) in source.extras.items():
        assert record[name].dtype == dtype and record[name].shape == shape
    notes = source.notes()
    assert list(notes["labels"]) == list(LABELS) and notes["objects"] == list(OBJECTS)
    assert np.abs(record["factors"]).max() <= 1 and record["masks"].max() < len(KINDS)
    prints = [Scenes(4, 32, 0, "test"), Scenes(4, 32, 0, "train"), Scenes(5, 32, 0, "test"), Scenes(4, 64, 0, "test")]
    assert len({str(source.fingerprint()) for source in prints}) == 4


def test_the_same_scene_at_two_sizes():
    for index in range(12):
        factors = draw_factors(1, "train", index)
        small, large = render(factors, 32), render(factors, 64)
        assert np.array_equal(small.labels, large.labels) and np.array_equal(small.factors, large.factors)
        reduced = large.image.reshape(32, 2, 32, 2, 3).mean((1, 3))
        assert np.abs(reduced - small.image).mean() < 2
        big = (large.boxes[:, 2:] - large.boxes[:, :2]).min(1) > 0.1
        assert np.abs(small.boxes - large.boxes)[big].max(initial=0) <= 2 / 32


def test_boxes_are_tight_around_masks_and_absent_objects_have_none():
    labels = list(LABELS)
    seen = 0
    for index in range(40):
        scene = render(draw_factors(0, "test", index), 64)
        for name, box in zip(OBJECTS, scene.boxes, strict=True):
            rows, columns = np.nonzero(scene.masks == KINDS.index(name))
            if len(rows):
                tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert (box * 64).tolist() == tight
            else:
                assert not box.any()
        value = scene.labels[labels.index("bed")]
        assert (LABELS["bed"][value] == "none") == (not scene.boxes[OBJECTS.index("bed")].any())
        count = LABELS["windows"][scene.labels[labels.index("windows")]]
        shown = scene.boxes[[OBJECTS.index("window_1"), OBJECTS.index("window_2")]].any(1).sum()
        assert shown == {"none": 0, "one": 1, "two": 2}[count]
        seen += shown
    assert seen > 10


def test_labels_of_what_is_not_shown():
    factors = replace(draw_factors(0, "train", 0), windows="none", bed="none")
    labels = dict(zip(LABELS, render(factors, 16).labels.tolist(), strict=True))
    assert labels["curtains"] == labels["bed_colour"] == -1 and min(labels.values()) == -1
    shown = replace(factors, windows="one", bed="left", curtains="present", bed_colour="plum")
    labels = dict(zip(LABELS, render(shown, 16).labels.tolist(), strict=True))
    assert labels["curtains"] == 1 and labels["bed_colour"] == LABELS["bed_colour"].index("plum")


def test_without_the_windows_only_they_and_their_light_are_gone():
    for index in range(25):
        factors = replace(draw_factors(2, "train", index), windows="two")
        with_windows, without = render(factors, 64), render(replace(factors, windows="none"), 64)
        change = np.abs(with_windows.image.astype(int) - without.image).max(-1)
        ground = np.isin(without.masks, [KINDS.index("floor"), KINDS.index("rug")])
        assert (change[windows(with_windows.masks)] > 0).mean() > 0.9
        elsewhere = ~near(windows(with_windows.masks), 2) & ~near(ground, 1)
        assert change[elsewhere].max() < 45  # pixels that a window or the ground fills by less than half
        assert (change[elsewhere] > 0).sum() <= 6
        same = with_windows.masks == without.masks
        assert (same | windows(with_windows.masks)).all() and not windows(without.masks).any()


def test_each_label_shows():
    base = replace(draw_factors(0, "train", 5), windows="one", bed="left", picture="landscape")
    for name, values in LABELS.items():
        images = {render(replace(base, **{name: value}), 32).image.tobytes() for value in values}
        assert len(images) == len(values), name


@pytest.mark.parametrize("name", list(PROBABILITIES))
def test_marginals(name):
    drawn = [getattr(factors, name) for factors in many()]
    assert sum(PROBABILITIES[name].values()) == pytest.approx(1)
    for value, probability in PROBABILITIES[name].items():
        spread = np.sqrt(probability * (1 - probability) / len(drawn))
        assert abs(drawn.count(value) / len(drawn) - probability) < 4 * spread


def test_factors_are_uniform_and_all_is_independent():
    numbers = [[LABELS[name].index(getattr(factors, name)) for name in LABELS] for factors in many()]
    floats = np.array([[getattr(factors, name) for name in FACTORS] for factors in many()])
    assert np.abs(floats).max() <= 1 and np.abs(floats.mean(0)).max() < 4 / np.sqrt(3 * len(floats))
    assert np.abs((floats**2).mean(0) - 1 / 3).max() < 0.03
    correlation = np.corrcoef(np.concatenate([np.array(numbers), floats], 1).T)
    assert np.abs(correlation - np.eye(len(correlation))).max() < 4.5 / np.sqrt(len(floats))


def test_edges_are_antialiased():
    """Between two flat colours lie pixels of neither: along the bed's edges many levels occur."""
    factors = replace(draw_factors(0, "train", 1), bed="left", bed_colour="red", sky="day", lamp="none", view=0.7)
    scene = render(factors, 64)
    bed = scene.masks == KINDS.index("bed")
    edge = near(bed, 1) & near(~bed, 1)
    assert len(np.unique(scene.image[edge].sum(-1))) > 60


def test_view_moves_the_corner_of_the_room():
    factors = draw_factors(0, "train", 0)
    floor = [render(replace(factors, view=view, rug="absent"), 64).masks[:, 0] for view in (-1.0, 1.0)]
    assert not np.array_equal(*floor)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"split": "validation"}, "data.split=validation is not known: take one of train, test"),
        ({"seed": 2**32}, "data.seed=4294967296 is not possible: take a whole number from 0 to 4294967295"),
        ({"seed": -1}, "seed=-1 must be a whole number of at least 0"),
        ({"count": 0}, "count=0 must be a whole number of at least 1"),
        ({"image_size": 4}, "image_size=4 must be a whole number of at least 8"),
    ],
)
def test_mistakes(mistake, message):
    with pytest.raises((UserError, ValueError), match=f"^{message}$"):
        Scenes(**{"count": 3, "image_size": 32, "seed": 0, "split": "train"} | mistake)


def test_held_factors_leave_the_others_as_they_are():
    held = {"sky": "night", "windows": "two", "lamp": True, "view": 0.5}  # YAML reads "on" as true
    source = Scenes(3, 16, seed=0, split="train", only=held, first=7)
    plain = [draw_factors(0, "train", 7 + index) for index in range(3)]
    expected = [replace(one, sky="night", windows="two", lamp="on", view=0.5) for one in plain]
    assert [source.draw(index) for index in range(3)] == expected
    assert np.array_equal(source.read(1)["images"], render(expected[1], 16).image)
    assert source.notes()["modes"] == ["bed", "plant", "rug"]
    untouched = Scenes(3, 16, seed=0, split="train")
    assert untouched.fingerprint() == {
        "set": "scenes", "renderer": 1, "count": 3, "image_size": 16, "seed": 0, "split": "train",
    }  # fmt: skip
    assert source.fingerprint() != Scenes(3, 16, seed=0, split="train", only=held).fingerprint()


def test_a_twin_is_the_same_room_in_another_light():
    held = {"sky": "day", "windows": "two", "lamp": "on"}
    pairs = ScenePairs(2, 32, 0, "train", only=held, twin={"sky": "night"}, region=["window_1", "window_2"])
    domain = Scenes(2, 32, 0, "train", only=held, twin={"sky": "night"})
    pair, alone = pairs.read(1), domain.read(1)
    factors = replace(draw_factors(0, "train", 1), **held)
    assert list(pair)[:1] == ["inputs"] and pairs.pictures == ("inputs", "targets")
    assert np.array_equal(pair["inputs"], render(factors, 32).image)
    assert np.array_equal(pair["targets"], render(replace(factors, sky="night"), 32).image)
    assert np.array_equal(alone["images"], pair["inputs"]) and np.array_equal(alone["targets"], pair["targets"])
    assert domain.pictures == ("images", "targets") and Scenes.pictures == ("images",)
    assert pairs.notes()["region"] == [KINDS.index("window_1"), KINDS.index("window_2")]


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ({"sky": "noon"}, "data.only.sky=noon is not known: take one of day, sunset, night"),
        ({"colour": "red"}, "data.only.colour does not exist: take one of windows, sky"),
        ({"view": 2}, "data.only.view=2 must be a number from -1 to 1"),
    ],
)
def test_unknown_factors_cannot_be_held(only, told):
    with pytest.raises(UserError) as raised:
        Scenes(2, 16, 0, "train", only=only)
    assert str(raised.value).startswith(told)
