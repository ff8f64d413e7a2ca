from pathlib import Path

import pytest
from PIL import Image

from ganlab.data.sources.digits import Digits
from ganlab.data.sources.domains import ClassDomain, Domain
from ganlab.errors import UserError


def domain(root: Path, side: str = "A", split: str = "train") -> Domain:
    return Domain(root=str(root), split=split, set=None, side=side, download=False)


@pytest.mark.parametrize("layout", ["train{}", "{}/train"])
def test_domains_may_differ_in_length_and_have_no_labels(tmp_path, layout):
    for side, count in (("A", 2), ("B", 3)):
        for number in range(count):
            path = tmp_path / layout.format(side) / "breed" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(path)
    first, second = domain(tmp_path, "A"), domain(tmp_path, "B")
    assert (len(first), len(second)) == (2, 3) and first.classes is None and "labels" not in first.read(0)
    assert first.name == f"domain-{tmp_path.name}-trainA" and second.name.endswith("-trainB")


def test_an_empty_or_missing_domain_is_named(tmp_path):
    with pytest.raises(UserError, match="trainA is missing: domains lie in trainA and trainB"):
        domain(tmp_path)
    (tmp_path / "trainA").mkdir()
    with pytest.raises(UserError, match="trainA holds no picture"):
        domain(tmp_path)
    with pytest.raises(UserError, match="trainB is missing"):
        domain(tmp_path, "B")


@pytest.mark.parametrize("layout", ["train/{}", "{}/train", "{}"])
def test_class_folders_may_be_domains(tmp_path, layout):
    for side, count in (("horse", 2), ("deer", 3), ("frog", 1)):
        for number in range(count):
            path = tmp_path / layout.format(side) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(path)
    assert (len(domain(tmp_path, "horse")), len(domain(tmp_path, "deer"))) == (2, 3)
    for side, split in (
        ("zebra", "train"),
        ("horse", "test"),
    ):
        with pytest.raises(UserError, match=rf"{split}{side} is missing.*set data.root, data.split, data.a or data.b"):
            domain(tmp_path, side, split)


def test_classes_of_a_labelled_set_are_domains():
    digits = Digits()
    first, second = ClassDomain(digits, "3"), ClassDomain(digits, "8")
    assert (len(first), len(second)) == (183, 174) and first.classes is None and first.name == "digits-3"
    assert set(first.read(0)) == {"images"} and digits.read(int(first.places[5]))["labels"] == 3
    assert first.fingerprint() != second.fingerprint()
    with pytest.raises(UserError, match="digits has no class horse: set data.a and data.b to two of 0, 1, 2"):
        ClassDomain(digits, "horse")
