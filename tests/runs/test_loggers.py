import inspect
from pathlib import Path

import wandb
from lightning.pytorch.loggers import WandbLogger


def test_lightning_still_passes_anonymous_on_to_wandb(tmp_path: Path) -> None:
    """Where this fails, the private ``_wandb_init`` in `ganlab.runs.loggers` can go."""
    assert "anonymous" in WandbLogger(save_dir=tmp_path, mode="offline")._wandb_init
    assert "anonymous" in inspect.signature(wandb.init).parameters
