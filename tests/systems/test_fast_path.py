"""The fast path against the plain one: the same losses, within the noise of the arithmetic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from ganlab.callbacks.length import Length
from ganlab.networks.dcgan import Discriminator, Generator
from ganlab.objectives.losses import NonSaturating
from ganlab.objectives.penalties import R1, LeCam
from ganlab.systems.clock import generator_of, seed_step
from ganlab.systems.gan import GAN
from ganlab.systems.update import sequential

BATCH, STEPS, SIZE = 16, 50, 16


class Blobs:
    """Batches of smooth pictures, each a function of its position."""

    def __init__(self, system: GAN) -> None:
        self.system = system

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        seen = self.system.clock.images_seen
        while True:
            coarse = torch.rand(BATCH, 3, 4, 4, generator=generator_of(5, seen))
            images = nn.functional.interpolate(coarse, size=SIZE, mode="bicubic").clamp(0, 1)
            yield {"images": (images * 255).byte().permute(0, 2, 3, 1)}
            seen += BATCH


class Losses(L.Callback):
    """Keeps both losses of every minibatch."""

    def __init__(self) -> None:
        self.values: list[list[float]] = []

    def on_train_batch_end(self, *arguments: Any) -> None:
        terms = arguments[2]
        self.values.append([float(terms["loss/discriminator"]), float(terms["loss/generator"])])


def make(fused: bool = True, **options: Any) -> GAN:
    seed_step(3, 0, 0)

    def adam(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999), fused=fused)

    networks = Generator(SIZE, width=8, latent_size=16, eps=1e-5), Discriminator(SIZE, width=8, eps=1e-5)
    optimizers = {"generator": adam, "discriminator": adam}
    return GAN(*networks, optimizers, NonSaturating(), sequential(), seed=3, **options)


def fit(system: GAN, folder: Path, steps: int = STEPS, **options: Any) -> Tensor:
    """Train and return the losses (steps, 2) of D and G."""
    losses = Losses()
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=-1, callbacks=[Length(steps * BATCH), losses], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        **options,
    )  # fmt: skip
    trainer.fit(system, train_dataloaders=Blobs(system))
    return torch.tensor(losses.values)


def test_fifty_steps_of_the_fast_path_have_the_losses_of_the_plain_one(tmp_path: Path) -> None:
    plain = make(fused=False)
    plain.networks.to(memory_format=torch.contiguous_format)
    expected = fit(plain, tmp_path)
    assert expected.shape == (STEPS, 2) and (expected.amax(0) - expected.amin(0)).min() > 0.1  # something happens
    exact = fit(make(), tmp_path)
    torch.testing.assert_close(exact, expected, rtol=1e-3, atol=1e-3)
    rounded = fit(make(), tmp_path, precision="bf16-mixed")
    assert not torch.equal(rounded, expected)
    distance = (rounded - expected).abs() / expected
    assert distance.mean() < 0.01 and distance.max() < 0.05, distance


class Counting:
    """Stands for a compiled network: counts its calls."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.calls = network, 0

    def __call__(self, *given: Tensor) -> Tensor:
        self.calls += 1
        return self.network(*given)


@pytest.mark.parametrize(("penalty", "twice"), [(R1(weight=1.0), ["penalty"]), (LeCam(), []), (None, [])])
def test_training_is_compiled_but_for_samples_and_second_derivatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, penalty: Any, twice: list[str]
) -> None:
    asked = list[dict[str, Any]]()

    def compiling(network: nn.Module, **options: Any) -> Counting:
        asked.append(options)
        return Counting(network)

    monkeypatch.setattr(torch, "compile", compiling)
    seen = list[bool]()
    system = make(penalties={"penalty": penalty} if penalty else {})
    assert system.differentiated_twice() == twice
    names = set(system.state_dict())
    system.compile_networks("default")
    assert asked == [{"mode": "default", "dynamic": False}] * 2 and set(system.state_dict()) == names
    plain = type(system).judge

    def judge(self: GAN, images: Tensor, labels: Tensor | None = None, compiled: bool = True) -> Tensor:
        seen.append(compiled)
        return plain(self, images, labels, compiled)

    monkeypatch.setattr(GAN, "judge", judge)
    losses = fit(system, tmp_path, 2)
    calls = {name: network.calls for name, network in system.compiled.items()}  # type: ignore[attr-defined]
    assert calls == {"discriminator": 6, "generator": 2}  # reals, fakes, and fakes again in G's step, each twice
    assert seen.count(False) == 2 * len(twice)
    system.sample(4, batch_size=4)
    assert calls["generator"] == system.compiled["generator"].calls  # type: ignore[attr-defined]
    uncompiled = make(penalties={"penalty": type(penalty)(penalty.weight)} if penalty else {})
    torch.testing.assert_close(losses, fit(uncompiled, tmp_path, 2), rtol=0, atol=0)
