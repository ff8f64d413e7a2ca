"""Golden losses: the first 20 steps of many compositions, by the real loop, against committed values.

``python tests/systems/test_golden_losses.py`` writes them again, after a change that is meant to change numbers.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS = 20
RELATIVE, ABSOLUTE = 1e-5, 1e-6  # tolerances; the second serves losses near 0
TINY = [
    *("experiment=small", "data=digits", "data.image_size=16", "data.batch_size=8", "architecture.width=4"),
    *("metrics=none", "logger=none", "diagnostics=none", "run=golden", "name=golden"),
    *("trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.benchmark=null"),
    *("machine.compile=none", "machine.channels_last=true", "machine.fused=true"),
]
# Some learning rates are small so that the rounding of another processor does not grow beyond the tolerance.
CASES = {
    "default": [],
    "paper": ["experiment=paper"],
    "dcgan_modern": ["experiment=dcgan_modern"],
    "alternating": ["update=alternating"],
    "simultaneous": ["update=simultaneous"],
    "d_steps": ["update.d_steps=2"],
    "conditional": ["architecture=dcgan_conditional", "optimizer.lr=1e-4"],
    "replay_adaptive": ["system.replay=40", "augment=adaptive", "augment.adaptive.interval=16"],
    "sndcgan": ["architecture=sndcgan", "data.batch_size=16", "optimizer.lr=1e-4"],
    "resnet_conditional": [
        *("architecture=resnet_conditional", "architecture.width=8", "data.image_size=32", "objective=hinge"),
        "optimizer.lr=1e-5",
    ],
    "accumulate": ["accumulate=2"],
    "joint_relativistic": [
        *("system.joint=true", "objective=relativistic_average", "penalty=[r1,lecam]", "augment=diffaugment"),
    ],
    "clip_schedule": [
        *("optimizer.clip_norm=1.0", "schedule=cosine", "schedule.until=160", "optimizer.lr=1e-4"),
        *("objective=wasserstein", "penalty=gradient_penalty", "architecture.initialization=he"),
        "architecture.discriminator.normalization=none",
    ],
}


class Losses(L.Callback):
    """Collects the values of every loss, and stops after the last step."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        for name, value in outputs.items():
            if name.startswith("loss/"):
                self.values.setdefault(name, []).append(float(f"{value:.8g}"))
        trainer.should_stop = batch_idx + 1 == STEPS


def train(overrides: list[str], packs: Path) -> dict[str, list[float]]:
    from ganlab.runs.build import build_data, build_system, build_trainer

    # Hydra refuses two choices from one group, so what a case chooses replaces the common choice.
    own = {override.partition("=")[0] for override in overrides}
    common = [override for override in TINY if override.partition("=")[0] not in own]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        composed = compose("train", [*common, *overrides, f"packs={packs}"])
    config: Any = OmegaConf.to_container(composed, resolve=True)
    losses = Losses()
    trainer = build_trainer(config, [losses], [])
    trainer.fit(build_system(config), datamodule=build_data(config))
    return losses.values


@pytest.mark.parametrize("name", CASES)
def test_losses_are_golden(name: str, packs: Path) -> None:
    golden, losses = json.loads(GOLDEN.read_text())[name], train(CASES[name], packs)
    assert losses.keys() == golden.keys()
    for loss, values in golden.items():
        assert losses[loss] == pytest.approx(values, rel=RELATIVE, abs=ABSOLUTE), loss


def write_golden() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as packs:
        lines = [f'"{name}": {json.dumps(train(CASES[name], Path(packs)), sort_keys=True)}' for name in CASES]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    write_golden()
