import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

from ganlab.data.drawn.head import KINDS
from ganlab.data.drawn.portrait_factors import FACTORS, LABELS, PortraitFactors
from ganlab.data.drawn.portraits import OBJECTS, Portraits, draw_factors, render


def middle(portrait, name: str) -> float:
    box = portrait.boxes[OBJECTS.index(name)]
    return float(box[0] + box[2]) / 2


def test_names_agree_with_the_fields():
    assert [field.name for field in fields(PortraitFactors)] == [*LABELS, *FACTORS]
    assert set(OBJECTS) < set(KINDS)


def test_golden_picture():
    """If this changes, pixels have changed: increase ``renderer``, so that packs are rebuilt."""
    factors = draw_factors(0, "train", 3)
    assert (factors.smile, factors.glasses, factors.hair, factors.skin) == ("smile", "absent", "long", "tan")
    assert factors.pose == pytest.approx(0.779951, abs=1e-6)
    blocks = render(factors, 32).image.reshape(4, 8, 4, 8, 3).mean((1, 3, 4))
    golden = [
        [215.53, 216.39, 209.98, 206.96],
        [216.10, 186.16, 182.48, 196.22],
        [200.74, 162.01, 168.76, 189.93],
        [189.32, 157.08, 145.80, 171.16],
    ]
    assert np.abs(blocks - golden).max() < 0.3


def test_record_is_what_the_source_declares():
    source = pickle.loads(pickle.dumps(Portraits(4, 32, seed=0, split="test")))
    record = source.read(3)
    assert source.name == "portraits-test" and source.content == "portraits" and len(source) == 4
    assert record["images"].shape == (32, 32, 3) and record["images"].dtype == np.uint8
    for name, (dtype, shape) in source.extras.items():
        assert record[name].dtype == dtype and record[name].shape == shape
    assert source.notes()["mask_kinds"] == list(KINDS)
    assert np.array_equal(record["images"], render(draw_factors(0, "test", 3), 32).image)
    assert not np.array_equal(record["images"], Portraits(4, 32, 0, "train").read(3)["images"])


def test_the_same_portrait_at_two_sizes():
    for index in range(12):
        factors = draw_factors(1, "train", index)
        small, large = render(factors, 32), render(factors, 64)
        assert np.array_equal(small.labels, large.labels) and np.array_equal(small.factors, large.factors)
        assert np.abs(large.image.reshape(32, 2, 32, 2, 3).mean((1, 3)) - small.image).mean() < 2


def test_boxes_are_tight_around_masks_and_features_are_in_place():
    for index in range(30):
        factors = draw_factors(0, "test", index)
        portrait = render(factors, 64)
        boxes = dict(zip(OBJECTS, portrait.boxes, strict=True))
        for name, box in boxes.items():
            rows, columns = np.nonzero(portrait.masks == KINDS.index(name))
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else [0, 0, 0, 0]
            assert (box * 64).tolist() == tight
        assert boxes["glasses"].any() == (factors.glasses == "present")
        assert middle(portrait, "left_eye") < middle(portrait, "right_eye")
        assert boxes["left_eye"][1] < boxes["nose"][3] < boxes["mouth"][3] < boxes["face"][3] < boxes["clothes"][3]


def test_pose_moves_the_features_monotonically():
    for index in range(6):
        factors = draw_factors(0, "train", index)
        turning = [render(replace(factors, pose=pose), 128) for pose in np.linspace(-1, 1, 9).tolist()]
        for name in ("nose", "mouth", "left_eye", "right_eye"):
            places = [middle(portrait, name) for portrait in turning]
            assert (np.diff(places) > 0).all(), (index, name)
        noses = [middle(portrait, "nose") for portrait in turning]
        assert noses[-1] - noses[0] > 0.15
        assert np.corrcoef(noses, np.linspace(-1, 1, 9))[0, 1] > 0.99


def test_smile_and_glasses_change_what_they_should():
    """Vector arithmetic is scored on these: outside of mouth, eyes and cheeks nothing may follow a smile."""
    for index in range(10):
        factors = replace(draw_factors(3, "train", index), smile="neutral", glasses="absent", pose=0.0)
        plain, smiling = render(factors, 64), render(replace(factors, smile="smile"), 64)
        rows, columns = np.nonzero((plain.image != smiling.image).any(-1))
        x0, y0, x1, y1 = plain.boxes[OBJECTS.index("face")] * 64
        assert len(rows) > 60
        assert x0 - 2 <= columns.min() and columns.max() <= x1 + 1 and y0 - 2 <= rows.min() and rows.max() <= y1 + 1
        lower = smiling.boxes[OBJECTS.index("mouth")] - plain.boxes[OBJECTS.index("mouth")]
        assert lower[2] - lower[0] > 0  # a smile is wider
        with_glasses = render(replace(factors, glasses="present"), 64)
        assert (with_glasses.masks == KINDS.index("glasses")).sum() > 40
        below = int(with_glasses.boxes[OBJECTS.index("glasses")][3] * 64) + 1
        assert np.array_equal(with_glasses.image[below:], plain.image[below:])


def test_each_label_shows():
    base = replace(draw_factors(0, "train", 5), hair="long")
    for name, values in LABELS.items():
        images = {render(replace(base, **{name: value}), 32).image.tobytes() for value in values}
        assert len(images) == len(values), name


def test_long_hair_reaches_below_the_chin_and_short_hair_does_not():
    for index in range(10):
        factors = draw_factors(4, "train", index)
        short, long = (render(replace(factors, hair=hair), 64).boxes for hair in ("short", "long"))
        face, hair = OBJECTS.index("face"), OBJECTS.index("hair")
        assert short[hair][3] < short[face][3] < long[hair][3]
