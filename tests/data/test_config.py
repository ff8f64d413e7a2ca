import pytest
from hydra import compose, initialize_config_dir

from ganlab.runs.entry import CONF

NAMES = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
SHARED = {"name", "source", "image_size", "channels", "num_classes"} | {
    "batch_size", "crop", "resize", "decode", "count", "max_broken", "workers",
    "pack_size", "flip", "labels", "inputs"
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_source_has_the_same_keys_and_says_its_command(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"data={name}", "run=x", "name=x"]).data
    assert set(config) >= SHARED and config.name == name
    first = (CONF / "data" / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# python src/") and f"data={name}" in first
