from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.data.folder import Folder
from ganlab.data.module import ImageDataModule
from ganlab.data.order import EndlessOrder
from ganlab.data.pictures import PictureProtocol
from ganlab.data.recipe import Recipe
from ganlab.errors import UserError


@pytest.fixture
def module(photos: Path, tmp_path: Path):
    """Makes data modules of thirty 28x28 pictures, attached to a trainer of one rank."""

    def make(batch_size: int = 8, rank: int = 0, world_size: int = 1, images_seen: int = 0) -> ImageDataModule:
        recipe = Recipe(Folder(str(photos)), PictureProtocol(28, 3), tmp_path / "packs", max_broken=0.01, workers=None)
        made = ImageDataModule(recipe, batch_size, seed=5)
        system = SimpleNamespace(clock=SimpleNamespace(images_seen=images_seen))
        trainer: Any = SimpleNamespace(global_rank=rank, world_size=world_size, lightning_module=system)
        made.trainer = trainer
        return made

    return make


def draw(made: ImageDataModule, count: int) -> list[dict[str, torch.Tensor]]:
    return list(islice(made.train_dataloader(), count))


def test_batches_follow_the_endless_order_across_epochs(module):
    made = module(batch_size=8)
    batches = draw(made, 10)  # 80 images of 30: the fourth batch straddles two epochs
    indices = EndlessOrder(30, 5).indices(0, 80)
    images = torch.cat([batch["images"] for batch in batches])
    assert images.dtype == torch.uint8 and batches[0]["images"].shape == (8, 28, 28, 3)
    assert np.array_equal(images, made.pack.images[indices])
    labels = torch.cat([batch["labels"] for batch in batches])
    assert labels.dtype == torch.int64 and np.array_equal(labels, made.pack.labels[indices])


def test_continuing_from_the_clock_gives_the_same_batches(module):
    straight = draw(module(batch_size=8), 9)
    continued = draw(module(batch_size=8, images_seen=40), 4)
    for one, other in zip(straight[5:], continued, strict=True):
        assert torch.equal(one["images"], other["images"]) and torch.equal(one["labels"], other["labels"])


def test_a_second_pass_begins_where_the_clock_stands(module):
    made = module(batch_size=8)
    loader = made.train_dataloader()
    third = list(islice(loader, 3))[2]
    made.trainer.lightning_module.clock.images_seen = 16
    assert torch.equal(next(iter(loader))["images"], third["images"])


def test_shares_of_two_ranks_are_the_batch_of_one(module):
    whole = draw(module(batch_size=8), 5)
    shares = [draw(module(batch_size=8, rank=rank, world_size=2), 5) for rank in range(2)]
    for batch, left, right in zip(whole, *shares, strict=True):
        assert torch.equal(batch["images"], torch.cat([left["images"], right["images"]]))
        assert torch.equal(batch["labels"], torch.cat([left["labels"], right["labels"]]))


def test_a_schedule_may_change_the_batch_size(module, monkeypatch):
    monkeypatch.setattr(ImageDataModule, "batch_size_at", lambda self, images_seen: 4 if images_seen < 8 else 6)
    made = module()
    images = [batch["images"] for batch in draw(made, 4)]
    assert [len(batch) for batch in images] == [4, 4, 6, 6]
    assert np.array_equal(torch.cat(images), made.pack.images[EndlessOrder(30, 5).indices(0, 20)])


def test_batch_sizes_that_do_not_fit_are_refused(module):
    module(batch_size=30).check(world_size=3)
    with pytest.raises(UserError, match="data.batch_size=8 .* 3 devices: take data.batch_size=9"):
        module(batch_size=8).check(world_size=3)
    with pytest.raises(
        UserError, match=r"data.batch_size=64 is larger than the data \(30 images\): take .*=28 or less"
    ):
        module(batch_size=64).check(world_size=4)
    with pytest.raises(UserError, match="data.batch_size=0"):
        module(batch_size=0)


def test_lightning_draws_from_the_stream(module):
    from lightning import LightningModule, Trainer

    class Watcher(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.clock = SimpleNamespace(images_seen=0)
            self.drawn: list[torch.Tensor] = []

        def training_step(self, batch: dict[str, torch.Tensor], index: int) -> None:
            self.drawn.append(batch["images"])
            self.clock.images_seen += len(batch["images"])

        def configure_optimizers(self) -> None:
            return None

    made, system = module(batch_size=8), Watcher()
    switches = ["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"]
    quiet: dict[str, Any] = dict.fromkeys(switches, False)
    trainer = Trainer(accelerator="cpu", max_epochs=2, limit_train_batches=4, **quiet)
    trainer.fit(system, datamodule=made)
    assert system.clock.images_seen == 64
    assert np.array_equal(torch.cat(system.drawn), made.pack.images[EndlessOrder(30, 5).indices(0, 64)])
