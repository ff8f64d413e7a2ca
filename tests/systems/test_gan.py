"""What the discriminator is shown, and what the system says of combinations that cannot work."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from ganlab.callbacks.stop import StopAtImages
from ganlab.errors import UserError
from ganlab.networks.latents import LatentGenerator
from ganlab.objectives.augmentations import Augmentation
from ganlab.objectives.losses import NonSaturating, RelativisticPairing, Wasserstein
from ganlab.objectives.penalties import R1, LeCam, WeightClip
from ganlab.systems.adversary import Adversary
from ganlab.systems.gan import GAN
from ganlab.systems.update import sequential

BATCH = 4
REAL, FAKE = 1.0, 0.25
ADVERSARY = ("penalties", "augmentations", "joint", "replay")  # options of the adversary, not of the loop


class Generator(LatentGenerator):
    def __init__(self) -> None:
        super().__init__(2, "normal", "running", 1, (0.0, 1.0))
        self.level = nn.Parameter(torch.tensor(FAKE))

    def forward(self, latents: Tensor) -> Tensor:
        return self.level.expand(len(latents), 1, 4, 4)


class Discriminator(nn.Module):
    """Notes the level of all that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[list[float]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach()[:, 0, 0, 0].tolist())
        return self.weight * images.mean((1, 2, 3))


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.5)


def fit(folder: Path, batches: int = 1, objective: Any = None, **options: Any) -> GAN:
    white = {"images": torch.full((BATCH, 4, 4, 1), 255, dtype=torch.uint8)}
    optimizers = {"generator": sgd, "discriminator": sgd}
    adversary = Adversary(
        objective or NonSaturating(), **{key: options.pop(key) for key in ADVERSARY if key in options}
    )
    system = GAN(Generator(), Discriminator(), optimizers, adversary, sequential(), **options)
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=-1, callbacks=[StopAtImages(batches * BATCH)], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(system, train_dataloaders=iter(lambda: white, None))
    return system


def test_real_and_fake_pass_apart_or_in_one_batch(tmp_path: Path) -> None:
    real, fake = [REAL] * BATCH, [FAKE] * BATCH
    assert fit(tmp_path).networks["discriminator"].seen == [real, fake, fake]
    assert fit(tmp_path, joint=True).networks["discriminator"].seen == [real + fake] * 2
    pairs = fit(tmp_path, objective=RelativisticPairing()).networks["discriminator"].seen
    assert pairs == [real, fake, real, fake]


def test_the_joint_batch_gives_the_same_steps_without_batch_statistics(tmp_path: Path) -> None:
    one, other = fit(tmp_path, 3), fit(tmp_path, 3, joint=True)
    for name, network in one.networks.items():
        for mine, theirs in zip(network.parameters(), other.networks[name].parameters(), strict=True):
            torch.testing.assert_close(mine, theirs)


def test_the_discriminator_alone_is_shown_past_fakes(tmp_path: Path) -> None:
    system = fit(tmp_path, 30, replay=8)
    seen = system.networks["discriminator"].seen
    steps = [seen[index : index + 3] for index in range(0, len(seen), 3)]  # real, D's fakes, G's fakes
    assert all(len({*of_g}) == 1 for _, _, of_g in steps)
    old = [sum(level != of_g[0] for level in of_d) for _, of_d, of_g in steps]
    assert old[:2] == [0, 0] and 1 <= sum(old[2:]) / 28 <= 3  # about half, once the pool is full
    assert "adversary.pool._extra_state" in system.state_dict()


def test_penalties_and_augmentations_keep_their_state_in_the_checkpoint(tmp_path: Path) -> None:
    class Counting(Augmentation):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("images", torch.zeros(()))

        def transform(self, images: Tensor) -> Tensor:
            return -images

        def adjust(self, real_logits: Tensor, fake_logits: Tensor, images: int, images_seen: int) -> None:
            assert real_logits.shape == fake_logits.shape == (BATCH,) and not real_logits.requires_grad
            self.images += images

    system = fit(tmp_path, 5, penalties={"lecam": LeCam()}, augmentations=[Counting()])
    assert system.networks["discriminator"].seen[0] == [0] * BATCH  # 1 in the range [0, 1], mirrored
    state = system.state_dict()
    assert state["adversary.augmentations.0.images"] == 5 * BATCH
    assert state["adversary.penalties.lecam.fake_average"] > 0


def test_weights_are_bounded_after_every_step(tmp_path: Path) -> None:
    system = fit(tmp_path, 3, objective=Wasserstein(), penalties={"weight_clip": WeightClip(0.01)})
    assert system.networks["discriminator"].weight.item() == pytest.approx(0.01)


def test_an_objective_without_a_bound_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ganlab"):
        fit(tmp_path, objective=Wasserstein(), penalties={"weight_clip": WeightClip()})
        fit(tmp_path)
        assert not caplog.messages
        fit(tmp_path, objective=Wasserstein())
    (message,) = caplog.messages
    assert "penalty=weight_clip" in message


def test_a_compiled_discriminator_is_not_differentiated_twice(tmp_path: Path) -> None:
    class Compiled(Discriminator):
        def __init__(self) -> None:
            super().__init__()
            self.compile(backend="eager")

    def start(penalty: Any) -> None:
        optimizers = {"generator": sgd, "discriminator": sgd}
        adversary = Adversary(NonSaturating(), {"r1": penalty})
        system = GAN(Generator(), Compiled(), optimizers, adversary, sequential())
        system.on_fit_start()

    with pytest.raises(UserError, match="penalty=r1 differentiates the discriminator twice"):
        start(R1(1.0))
    start(LeCam())
