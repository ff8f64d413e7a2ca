"""A conditional run from the command line: trained, sampled by class, and refused where there are no labels."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

CONDITIONAL = ("debug=smoke", "logger=none", "metrics=none", "architecture=dcgan_conditional", "data.image_size=16")
NARROW = ("architecture.width=2", "architecture.hidden_units=8", "max_images=64")


def test_a_conditional_run_is_sampled_by_class(command: Callable, tmp_path: Path) -> None:
    outcome = command("train", *CONDITIONAL, *NARROW, f"outputs={tmp_path}", "run=r")
    assert outcome.code == 0, outcome.err
    with Image.open(tmp_path / "r" / "samples" / "images_000000064.png") as grid:
        assert grid.size == (10 * 18 + 2, 10 * 18 + 2)  # ten classes, ten latents
    checkpoint = f"checkpoint={tmp_path}/r/checkpoints/last.ckpt"
    assert command("sample", checkpoint, "label=3", "count=4").code == 0
    assert (tmp_path / "r" / "samples" / "last_000000064_seed0_label3.png").is_file()
    assert "label=10 is not there, the generator knows classes 0 to 9" in command("sample", checkpoint, "label=10").err


def test_data_without_classes_is_told_in_one_line(command: Callable, tmp_path: Path) -> None:
    outcome = command("train", *CONDITIONAL, "data.num_classes=null", f"outputs={tmp_path}", "run=r")
    assert outcome.code == 1 and outcome.err.count("\n") == 1
    assert "data.num_classes=null" in outcome.err and "type data.num_classes=N" in outcome.err
    assert not (tmp_path / "r" / "config.yaml").exists()
