from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.data import batches
from ganlab.data.batches import Stream, copy_to_device, gather
from ganlab.data.module import ImageDataModule
from ganlab.data.packs.order import EndlessOrder
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.sources.folder import Folder
from ganlab.data.spec import PackSpec

CPU = torch.device("cpu")


def test_rows_of_a_copy_on_a_device_are_the_rows_of_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "COPY_BYTES", 50)  # bytes: two rows at a time
    pixels = np.random.default_rng(0).integers(0, 256, (11, 2, 4, 3), np.uint8)
    labels = np.arange(11)
    held = {"images": copy_to_device(pixels, CPU), "labels": copy_to_device(labels, CPU)}
    assert held["images"].dtype == torch.uint8 and held["labels"].dtype == torch.int64
    assert torch.equal(held["images"], torch.from_numpy(pixels))
    here = Stream({"images": pixels, "labels": labels}, EndlessOrder(11, 3)).rows(7, 9)
    there = Stream(held, EndlessOrder(11, 3)).rows(7, 9)
    assert here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)
    assert torch.equal(gather(labels, np.array([3, 1])), torch.tensor([3, 1]))


@pytest.fixture
def photos_module(photos: Path, tmp_path: Path) -> Callable[[bool], ImageDataModule]:
    def make(resident: bool) -> ImageDataModule:
        spec = PackSpec(Folder(str(photos)), PictureProtocol(28, 3), tmp_path / "packs", max_broken=0, workers=None)
        made = ImageDataModule(spec, 8, seed=5, image_size=20, flip=True)
        system = SimpleNamespace(clock=SimpleNamespace(images_seen=16))
        trainer: Any = SimpleNamespace(
            global_rank=0, world_size=1, lightning_module=system, strategy=SimpleNamespace(root_device=CPU)
        )
        made.trainer, made.resident = trainer, resident
        return made

    return make


def test_batches_out_of_a_resident_pack_are_the_same(photos_module: Callable[[bool], ImageDataModule]) -> None:
    drawn = []
    for resident in (False, True):
        made = photos_module(resident)
        sent = (made.transfer_batch_to_device(each, CPU, 0) for each in islice(made.train_dataloader(), 9))
        drawn.append([made.on_after_batch_transfer(batch) for batch in sent])
    for one, other in zip(*drawn, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    made = photos_module(True)
    assert made.nbytes == len(made.pack) * 28 * 28 * 3 + (0 if made.pack.labels is None else made.pack.labels.nbytes)
