from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.data.module import ImageDataModule
from ganlab.data.packs.order import EndlessOrder
from ganlab.data.packs.pictures import PictureProtocol, decode
from ganlab.data.packs.source import Record, Source
from ganlab.data.sources.folder import Folder
from ganlab.data.spec import PackSpec
from ganlab.errors import UserError


def spec_of(source: Source, tmp_path: Path) -> PackSpec:
    protocol = PictureProtocol(28, 3)
    return PackSpec(source, protocol, tmp_path / "packs", max_broken=0.01, workers=None)


class Twins(Folder):
    """Each picture beside its negative."""

    pictures = ("inputs", "targets")

    def read(self, index: int) -> Record:
        picture = np.asarray(decode(super().read(index)["images"]))
        return {"inputs": picture, "targets": 255 - picture, "labels": index % 2}


@pytest.fixture
def module(photos: Path, tmp_path: Path):
    """Makes data modules of thirty 28x28 pictures, attached to a trainer of one rank."""

    def make(
        batch_size: int = 8,
        rank: int = 0,
        world_size: int = 1,
        images_seen: int = 0,
        specs: Any = None,
        **options: Any,
    ) -> ImageDataModule:
        made = ImageDataModule(specs or spec_of(Folder(str(photos)), tmp_path), batch_size, seed=5, **options)
        system = SimpleNamespace(clock=SimpleNamespace(images_seen=images_seen))
        trainer: Any = SimpleNamespace(global_rank=rank, world_size=world_size, lightning_module=system)
        made.trainer = trainer
        return made

    return make


def draw(made: ImageDataModule, count: int) -> list[dict[str, torch.Tensor]]:
    """The first batches as the system gets them."""
    return [made.on_after_batch_transfer(batch, 0) for batch in islice(made.train_dataloader(), count)]


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


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


def test_a_schedule_may_change_the_batch_size(module):
    made = module()
    made.batch_size_at = lambda images_seen: 4 if images_seen < 8 else 6
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
    with pytest.raises(ValueError, match="batch_size=0 must be"):
        module(batch_size=0)


def test_batch_sizes_of_all_stages_are_checked_beforehand(module):
    made = module(batch_size=8)
    made.check(world_size=2, batch_sizes=[16, 8, 4], accumulate=2)
    with pytest.raises(
        UserError, match=r"a stage's batch size of 9 \(global\) cannot be shared .* 2 devices: take 10$"
    ):
        made.check(world_size=2, batch_sizes=[8, 9])
    with pytest.raises(UserError, match=r"a stage's batch size of 32 is larger than the data \(30 images\): take 30"):
        made.check(world_size=2, batch_sizes=[8, 32])
    with pytest.raises(UserError, match="accumulate=4 must divide the 3 images of a stage's batch size of 6"):
        made.check(world_size=2, batch_sizes=[8, 6], accumulate=4)
    with pytest.raises(UserError, match=r"accumulate=3 must divide the 4 images of data.batch_size=8"):
        made.check(world_size=2, accumulate=3)


DRAWN: list[dict[str, Any]] = [
    {"flip": True},
    {"image_size": 20},
    {"image_size": 20, "flip": True, "inputs": "occlusion"},
    {"inputs": "random_region"},
]


@pytest.mark.parametrize("options", DRAWN)
def test_what_is_drawn_depends_neither_on_ranks_nor_on_continuing(module, options):
    whole = draw(module(**options), 5)
    shares = [draw(module(rank=rank, world_size=2, **options), 5) for rank in range(2)]
    for batch, left, right in zip(whole, *shares, strict=True):
        assert equal(batch, {name: torch.cat([left[name], right[name]]) for name in batch})
    continued = draw(module(images_seen=24, **options), 2)
    assert equal(whole[3], continued[0]) and equal(whole[4], continued[1])
    assert not torch.equal(next(iter(whole[0].values())), next(iter(whole[1].values())))


def test_crops_and_flips_are_windows_of_the_same_pictures(module):
    plain, drawn = draw(module(), 6), draw(module(image_size=25, flip=True), 6)
    mirrored = 0
    for whole, window in zip(
        (i for b in plain for i in b["images"]), (i for b in drawn for i in b["images"]), strict=True
    ):
        places = [(top, left, flip) for top in range(4) for left in range(4) for flip in (False, True)]
        (place,) = [
            (top, left, flip)
            for top, left, flip in places
            if torch.equal(
                whole[top : top + 25, left : left + 25].flip(1) if flip else whole[top : top + 25, left : left + 25],
                window,
            )
        ]
        mirrored += place[2]
    assert 12 < mirrored < 36  # of 48
    assert all(torch.equal(one["labels"], other["labels"]) for one, other in zip(plain, drawn, strict=True))


def test_inputs_and_targets_are_cropped_and_mirrored_alike(module, photos, tmp_path):
    made = module(specs=spec_of(Twins(str(photos)), tmp_path), image_size=20, flip=True)
    for batch in draw(made, 4):
        assert list(batch) == ["inputs", "targets", "labels"] and batch["inputs"].shape == (8, 20, 20, 3)
        # Resampling rounds the negative and the picture apart by one at most; another window would differ by far.
        assert (batch["inputs"].int() + batch["targets"].int() - 255).abs().max() <= 1


def test_made_inputs_take_the_place_of_images(module):
    (batch,) = draw(module(inputs="centre_hole", image_size=20, flip=True), 1)
    assert list(batch) == ["inputs", "targets", "masks", "labels"]
    (images,) = draw(module(image_size=20, flip=True), 1)
    assert torch.equal(batch["targets"], images["images"]) and batch["masks"].sum() == 8 * 100
    with pytest.raises(UserError, match="data.inputs=blur"):
        module(inputs="blur")


def test_labels_may_be_left_out(module):
    with_labels, without = draw(module(), 1)[0], draw(module(labels=False), 1)[0]
    assert list(with_labels) == ["images", "labels"] and list(without) == ["images"]
    assert torch.equal(with_labels["images"], without["images"])


def test_unpaired_domains_have_orders_of_their_own(module, photos, tmp_path):
    specs = {"a": spec_of(Folder(str(photos)), tmp_path), "b": spec_of(Folder(str(photos)), tmp_path)}
    made = module(specs=specs, labels=False)
    batches = draw(made, 15)  # four times through
    assert list(batches[0]) == ["a", "b"]
    assert torch.equal(
        torch.cat([batch["a"] for batch in batches]), torch.cat([b["images"] for b in draw(module(), 15)])
    )
    drawn = [tuple(map(int, image.flatten()[:40])) for batch in batches for image in batch["b"]]
    assert [len(set(drawn[start : start + 30])) for start in (0, 30, 60, 90)] == [30] * 4  # each once an epoch
    same = sum(bool((a == b).all()) for batch in batches for a, b in zip(batch["a"], batch["b"], strict=True))
    assert same < 20  # of 120; one in thirty by chance


def test_the_shorter_domain_begins_again(module, photos, tmp_path):
    specs = {"a": spec_of(Folder(str(photos)), tmp_path), "b": spec_of(Folder(str(photos / "cat")), tmp_path)}
    made = module(specs=specs, image_size=20, flip=True, labels=False)
    assert len(made.pack) == 30 and all(batch["b"].shape == (8, 20, 20, 3) for batch in draw(made, 5))
    with pytest.raises(UserError, match=r"larger than the data \(15 images\)"):
        module(batch_size=16, specs=specs).check(world_size=1)


def test_fixed_pictures_are_the_first_of_the_order(module, photos, tmp_path):
    made = module(image_size=20, flip=True)
    first = EndlessOrder(30, 5).indices(0, 7)
    (name, fixed), *others = made.fixed(7).items()
    assert name == "images" and not others and fixed.shape == (7, 3, 20, 20) and fixed.dtype == torch.uint8
    assert np.array_equal(fixed.permute(0, 2, 3, 1), made.packs[0].images[first, 4:24, 4:24])
    assert len(made.fixed(1000)["images"]) == 30

    specs = {"a": spec_of(Folder(str(photos)), tmp_path), "b": spec_of(Folder(str(photos / "cat")), tmp_path)}
    domains = module(specs=specs, labels=False)
    fixed = domains.fixed(5)
    (batch,) = draw(domains, 1)
    assert list(fixed) == ["a", "b"]
    assert all(torch.equal(fixed[name], batch[name][:5].permute(0, 3, 1, 2)) for name in fixed)
    assert len(domains.fixed(1000)["a"]) == 15


def test_what_is_measured_is_the_centre_of_what_is_cropped(module):
    made = module(image_size=20)
    assert np.array_equal(made.pack.images, made.packs[0].images[:, 4:24, 4:24]) and len(made.pack) == 30
    with pytest.raises(UserError, match="data.pack_size=28 is smaller than data.image_size=32"):
        module(image_size=32)


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

    made, system = module(batch_size=8, flip=True), Watcher()
    switches = ["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"]
    quiet: dict[str, Any] = dict.fromkeys(switches, False)
    trainer = Trainer(accelerator="cpu", max_epochs=2, limit_train_batches=4, **quiet)
    trainer.fit(system, datamodule=made)
    assert system.clock.images_seen == 64
    expected = draw(module(batch_size=8, flip=True), 8)
    assert torch.equal(torch.cat(system.drawn), torch.cat([batch["images"] for batch in expected]))
