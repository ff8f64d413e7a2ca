"""Labels in the game: which are given to whom, how samples are asked for, and what is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganlab.callbacks.stop import StopAtImages
from ganlab.errors import UserError
from ganlab.networks import dcgan_conditional, mlp, mlp_conditional, resnet, sndcgan
from ganlab.networks.latents import LatentGenerator
from ganlab.objectives.losses import NonSaturating
from ganlab.objectives.penalties import R1, R2
from ganlab.systems.adversary import Adversary
from ganlab.systems.clock import generator_of
from ganlab.systems.gan import GAN
from ganlab.systems.request import Request
from ganlab.systems.update import sequential

CLASSES, BATCH = 3, 6


class Generator(LatentGenerator):
    """Images whose every pixel tells the label."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__(2, "normal", "running", 1, (0.0, 1.0), classes)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (self.scale * labels / 255)[:, None, None, None].expand(-1, 1, 4, 4)


class Discriminator(nn.Module):
    """Notes the labels that it is given, and the images with them."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        self.seen.append((images.detach(), labels))
        return self.weight * images.sum((1, 2, 3))


class Labelled:
    """Images whose every pixel is 100 and the label, and their labels."""

    def __init__(self, size: int = 4, channels: int = 1) -> None:
        self.size, self.channels = size, channels

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            labels = torch.arange(BATCH) % CLASSES
            images = (100 + labels)[:, None, None, None].expand(-1, self.size, self.size, self.channels)
            yield {"images": images.byte(), "labels": labels}


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.001)


def make(generator: nn.Module, discriminator: nn.Module, **options: Any) -> GAN:
    optimizers = {"generator": adam, "discriminator": adam}
    adversary = Adversary(NonSaturating(), options.pop("penalties", None))
    return GAN(generator, discriminator, optimizers, adversary, sequential(), seed=3, **options)


def fit(system: GAN, batches: int, folder: Path, data: Any = None) -> None:
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=-1, callbacks=[StopAtImages(batches * BATCH)], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(system, train_dataloaders=data or Labelled())


def test_real_and_fake_images_are_judged_with_their_own_labels(tmp_path: Path) -> None:
    discriminator = Discriminator()
    system = make(Generator(), discriminator, penalties={"r1": R1(1.0), "r2": R2(1.0)})
    fit(system, 1, tmp_path)
    assert len(discriminator.seen) == 5  # D's real and fake, R1, R2, G's fake
    for index, (images, labels) in enumerate(discriminator.seen):
        bytes_ = (images[:, 0, 0, 0] * 255).round().long()
        assert torch.equal(bytes_, labels + (100 if index in (0, 2) else 0)), index


def test_fake_labels_are_drawn_for_the_global_batch_after_the_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(world: int, rank: int) -> tuple[Tensor, Tensor]:
        system = make(Generator(), Discriminator())
        monkeypatch.setattr(GAN, "trainer", SimpleNamespace(world_size=world), raising=False)
        monkeypatch.setattr(GAN, "global_rank", rank, raising=False)
        batch = system.draw({"images": torch.zeros(60 // world, 1)}, generator_of(1, 2, 3))
        return batch["latents"], batch["fake_labels"]

    latents, labels = drawn(1, 0)
    assert torch.equal(latents, torch.empty(60, 2).normal_(generator=generator_of(1, 2, 3)))
    assert labels.bincount().tolist() == pytest.approx([20] * CLASSES, abs=8)
    parts = [drawn(2, rank) for rank in range(2)]
    assert torch.equal(torch.cat([part[0] for part in parts]), latents)
    assert torch.equal(torch.cat([part[1] for part in parts]), labels)


def both(module: Any, *shared: int, discriminator: dict[str, Any] | None = None, **options: Any) -> tuple[Any, Any]:
    """Generator and discriminator of a paper; ``shared`` are image size, channels and, with labels, classes."""
    return module.Generator(*shared, **options), module.Discriminator(*shared, **(discriminator or options))


ORIGINAL = {"units": [8], "activations": ["relu"], "output": "sigmoid", "discriminator": {"units": [16]}}
PAIRS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "dcgan_conditional": lambda: both(dcgan_conditional, 16, 3, CLASSES, width=2, hidden_units=8),
    "mlp_conditional": lambda: both(mlp_conditional, 5, 1, CLASSES, units=[8, 8]),
    "resnet_conditional": lambda: both(resnet, 32, 1, CLASSES, width=1),
    "mlp": lambda: both(mlp, 5, 1, **ORIGINAL),
    "sndcgan": lambda: both(sndcgan, 16, 1, width=2),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_steps_change_every_parameter(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    system = make(*PAIRS[name](), penalties={"r1": R1(1.0), "r2": R2(1.0)}, half_life=10)
    _, channels, size, _ = system.sample(1).shape
    before = {key: value.clone() for key, value in system.networks.named_parameters()}
    fit(system, 2, tmp_path, Labelled(size, channels))
    for key, value in system.networks.named_parameters():
        assert bool(value.isfinite().all()) and not torch.equal(value, before[key]), key
    assert system.sample(5).shape == (5, channels, size, size)


def test_the_labels_of_a_request_are_those_of_its_images() -> None:
    system = make(Generator(), Discriminator())
    request = Request(torch.arange(190, 210))
    assert torch.equal(system.respond(request, seed=5)[:, 0, 0, 0].long(), system.labels_for(request, seed=5))
    rng = generator_of(5, 1)
    assert torch.equal(system.latents_for(request, 5)[:10], torch.empty(100, 2).normal_(generator=rng)[90:])
    assert torch.equal(system.labels_for(request, 5)[:10], torch.randint(CLASSES, (100,), generator=rng)[90:])


def test_samples_of_one_class_and_of_all() -> None:
    system = make(Generator(), Discriminator())
    assert system.sample(7, label=2).flatten().unique().tolist() == [2]
    mixed = system.sample(300, seed=1)[:, 0, 0, 0].long()
    assert mixed.bincount().tolist() == pytest.approx([100] * CLASSES, abs=25)
    assert torch.equal(mixed, system.sample(300, seed=1)[:, 0, 0, 0].long())
    each = system.respond(Request.first(3, labels=torch.tensor([2, 0, 1])), 0)
    assert each[:, 0, 0, 0].tolist() == [2, 0, 1]
    assert system.sampling_protocol() == {"batch_norm": "running", "ema": False, "labels": "uniform over 3 classes"}
    with pytest.raises(UserError, match="label=3 is not there, the generator knows classes 0 to 2"):
        system.sample(1, label=3)
    with pytest.raises(UserError, match="label=0 is not there, the generator knows no classes"):
        make(*PAIRS["mlp"]()).sample(1, label=0)


def test_a_class_alone_keeps_its_label_in_batch_norm() -> None:
    torch.manual_seed(0)
    system = make(*both(dcgan_conditional, 16, 1, CLASSES, width=2, hidden_units=8))
    assert system.generator.sampling_statistics == "batch"
    one, all_ = system.sample(4, label=1), torch.arange(4) % CLASSES
    mixed = system.respond(Request.first(4, labels=all_), 0)
    assert torch.equal(one[all_ == 1], mixed[all_ == 1]) and not torch.equal(one[all_ == 0], mixed[all_ == 0])


@pytest.mark.parametrize(
    ("classes", "rows"),
    [(10, list(range(10))), (3, [0, 0, 0, 1, 1, 1, 2, 2, 2]), (31, list(range(0, 31, 2))), (1, [0] * 8)],
)
def test_the_grid_shows_one_class_a_row(classes: int, rows: list[int]) -> None:
    discriminator = Discriminator()
    discriminator.classes = classes
    images = make(Generator(classes), discriminator).preview_images({})["images"]
    assert len(images) == len(rows) ** 2  # so that a grid as square as it gets has these rows
    assert images[:, 0, 0, 0].view(len(rows), -1).tolist() == [[row] * len(rows) for row in rows]


def test_labels_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    system = make(Generator(), Discriminator())
    system.check_labels(np.array([0, 2, 1]))
    for labels, told in (
        (None, "the batches have no labels: take data that has them"),
        (np.zeros((5, 40), int), "40 attributes an image"),
        (np.array([0, 7]), "from 0 to 7, and the networks have 3 classes: type data.num_classes=8"),
    ):
        with pytest.raises(UserError, match=told):
            system.check_labels(labels)
    with pytest.raises(UserError, match="no labels"):
        system.prepare({"images": torch.zeros(1, 4, 4, 1, dtype=torch.uint8)})
    make(*PAIRS["mlp"]()).check_labels(None)  # an unconditional network needs none
    with pytest.raises(ValueError, match="the generator has 3 classes and the discriminator 0"):
        make(Generator(), mlp.Discriminator(4, 1, units=[2]))


def test_standing_statistics_are_taken_once_a_moment_and_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    generator = resnet.Generator(32, 1, CLASSES, width=1, sampling_statistics="standing", standing_batches=2)
    system = make(generator, resnet.Discriminator(32, 1, CLASSES, width=1))
    before = {key: value.clone() for key, value in system.networks.state_dict().items()}
    state = torch.get_rng_state()
    first = system.sample(6)
    averages = system.standing()
    assert torch.equal(first, system.sample(6)) and system.standing() is averages
    assert torch.equal(first[:3], system.sample(6)[:3])
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in system.networks.state_dict().items())
    assert system.sampling_protocol()["standing_images"] == 128
    with torch.no_grad():
        generator.to_image[0].weight.mul_(1.1)
    assert system.standing() is not averages


def test_given_latents_pass_together_under_batch_statistics() -> None:
    torch.manual_seed(0)
    system = make(*both(dcgan_conditional, 16, 1, CLASSES, width=2, hidden_units=8))
    latents, labels = torch.randn(101, 100), torch.arange(101) % CLASSES
    request = Request.first(101, latents=latents, labels=labels, statistics="batch")
    reference = system.networks["generator"].train()(latents, labels)
    torch.testing.assert_close(system.decode(request, 0), reference)
