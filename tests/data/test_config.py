import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ganlab.configuration.checking import check
from ganlab.configuration.entry import CONF
from ganlab.errors import UserError

NAMES = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
SHARED = {"name", "source", "image_size", "channels", "num_classes"} | set(
    OmegaConf.load(CONF / "data" / "base" / "pictures.yaml")
)


def composed(*overrides: str):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("prepare", list(overrides))


@pytest.mark.parametrize("name", NAMES)
def test_every_source_has_the_same_keys_sound_values_and_says_its_command(name):
    values = OmegaConf.to_container(composed(f"data={name}").data)
    data = check(composed(f"data={name}", *(f"data.{key}=place" for key in values if values[key] == "???")))["data"]
    assert set(data) >= SHARED and data["name"] == name
    assert data["image_size"] > 0 and data["channels"] in (1, 3) and (data["num_classes"] or 1) > 0
    first = (CONF / "data" / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# python src/") and f"data={name}" in first


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.max_broken=null"], "data.max_broken=null must be a number"),
        (["data.max_broken=7"], "data.max_broken=7 must be a number from 0 to 1"),
        (["data.max_dropped=1.5"], "data.max_dropped=1.5 must be a number from 0 to 1"),
        (["data.deduplicate=maybe"], "data.deduplicate=maybe must be true or false"),
        (["data.deduplication.noise_level=nan"], "noise_level=nan must be a number"),
        (["data.deduplication=null"], "data.deduplication=null is not to be replaced"),
        (["data.source=null"], "data.source=null is not to be replaced"),
        (["packs=null"], "packs=null is no folder"),
        (["packs="], "packs= is no folder"),
        (["data=folder", "data.root=null"], "data.root=null is no folder"),
    ],
)
def test_values_that_cannot_be_are_refused_with_their_key(overrides, message):
    with pytest.raises(UserError, match=message):
        check(composed(*overrides))


def test_a_folder_may_be_named_by_a_number():
    assert check(composed("data=folder", "data.root=2024"))["data"]["source"]["root"] == "2024"
