"""docs/extending.md: its listings are written into a copy of the project, and its commands run there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from ganlab.errors import UserError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
LISTINGS = dict(re.findall(r"^`((?:src|conf)/\S+)`\n\n```\w+\n(.*?)^```$", PAGE, re.M | re.S))
COMMANDS = [line.split()[2:] for line in PAGE.splitlines() if line.startswith("    python src/train.py ")]


def test_each_part_takes_a_class_and_a_file_of_configuration() -> None:
    assert len(LISTINGS) == PAGE.count("```") // 2 == 8
    for part in PAGE.split("\n## ")[1:5]:
        files = re.findall(r"^`((?:src|conf)/\S+)`$", part, re.M)
        assert [file.partition("/")[0] for file in files] == ["src", "conf"]
    assert len(COMMANDS) == 5 and {word for command in COMMANDS[:3] for word in command} <= set(COMMANDS[4])


def test_the_listings_train_together(tmp_path: Path) -> None:
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in LISTINGS.items():
        assert not (tmp_path / name).exists(), f"{name} would replace a file of the project"
        (tmp_path / name).write_text(text)
    np.save(tmp_path / "pictures.npy", np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8))
    command = [sys.executable, "src/train.py", *COMMANDS[4], "logger=none", "run=mine"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    run = tmp_path / "outputs" / "mine"
    config = OmegaConf.load(run / "config.yaml")
    assert config.architecture.discriminator._target_ == "ganlab.networks.patch.Discriminator"
    assert config.architecture.discriminator.layers == 3 and config.architecture.discriminator.width == 8
    assert config.objective._target_ == "ganlab.objectives.pearson.Pearson"
    assert config.data.source._target_ == "ganlab.data.sources.array.Array"
    header, *rows = (run / "metrics.csv").read_text().splitlines()
    values = [row.split(",")[header.split(",").index("brightness")] for row in rows]
    assert any(values) and all(0 < float(value) < 255 for value in values if value)
    assert (run / "checkpoints" / "best.ckpt").is_file()


@pytest.mark.parametrize(
    ("name", "kind", "values", "message"),
    [
        (
            "src/ganlab/networks/patch.py",
            "Discriminator",
            {"channels": 3, "width": 8, "layers": 0},
            "layers=0 must be a whole number of at least 1",
        ),
        ("src/ganlab/objectives/pearson.py", "Pearson", {"target": 0}, "target=0 must be a number above 0"),
        ("src/ganlab/data/sources/array.py", "Array", {"file": "none.npy"}, "data.file=none.npy does not exist"),
    ],
)
def test_a_listing_refuses_a_value_in_one_line(name: str, kind: str, values: dict[str, Any], message: str) -> None:
    module: dict[str, Any] = {}
    exec(compile(LISTINGS[name], name, "exec"), module)
    with pytest.raises((ValueError, UserError), match=message):
        module[kind](**values)
