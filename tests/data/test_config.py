from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ganlab.data.module import ImageDataModule

CONF = Path(__file__).parents[2] / "conf" / "data"
SHARED = {"name", "source", "image_size", "channels", "batch_size", "resize", "max_broken", "workers"}


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10", "lsun", "folder"])
def test_every_source_has_the_same_keys_and_says_its_command(name):
    file = CONF / f"{name}.yaml"
    config = OmegaConf.load(file)
    assert set(config) - {"root", "split", "classes"} == SHARED and config.name == name
    assert file.read_text().startswith("# python src/train.py") and f"data={name}" in file.read_text().splitlines()[0]


def test_a_folder_becomes_a_data_module(photos: Path, tmp_path: Path):
    config = OmegaConf.create({"data": OmegaConf.load(CONF / "folder.yaml")})
    config.data.root = str(photos)
    values = {key: config.data[key] for key in SHARED - {"name", "source"}}
    module = ImageDataModule(instantiate(config.data.source), packs=str(tmp_path), **values)
    module.prepare_data()
    assert module.pack.images.shape == (30, 64, 64, 3)
