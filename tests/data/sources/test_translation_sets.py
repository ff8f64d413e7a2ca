from pathlib import Path

import pytest

from ganlab.data.fetching import download
from ganlab.data.sources.translation_sets import place_of
from ganlab.errors import UserError


@pytest.mark.parametrize(
    "kind, name, url",
    [
        ("pairs", "maps", "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/maps.tar.gz"),
        ("domains", "maps", "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/maps.zip"),
    ],
)
def test_known_sets_are_fetched_only_where_allowed_and_absent(tmp_path, monkeypatch, kind, name, url):
    asked = []

    def fetch(address: str, place: Path, *, expected: Path) -> None:
        asked.append((address, place))
        expected.mkdir(parents=True)

    monkeypatch.setattr(download, "fetch_archive", fetch)
    with pytest.raises(
        UserError, match=f"maps is missing: type `python src/prepare.py data={kind} data.set=maps data.root={tmp_path}`"
    ):
        place_of(str(tmp_path), name, kind, download=False)
    place = place_of(str(tmp_path), name, kind, download=True)
    assert asked == [(url, place.parent)] and place.name == name
    assert place_of(str(tmp_path), name, kind, download=False) == place and len(asked) == 1


def test_sets_of_the_same_name_lie_apart(tmp_path):
    for family in ("pix2pix", "cyclegan"):
        (tmp_path / family / "facades").mkdir(parents=True)
    pairs, domains = (place_of(str(tmp_path), "facades", kind, False) for kind in ("pairs", "domains"))
    assert pairs != domains


def test_unknown_sets_and_packed_folders_say_what_to_take(tmp_path):
    with pytest.raises(UserError, match="data.set=horses is no known set of domains: take one of apple2orange"):
        place_of(str(tmp_path), "horses", "domains", False)
    (tmp_path / "maps.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="maps.zip is a file: unpack it"):
        place_of(str(tmp_path / "maps.zip"), None, "pairs", False)
