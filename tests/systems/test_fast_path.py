"""The fast path against the plain one: the same losses, within the noise of the arithmetic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from ganlab.callbacks.stop import StopAtImages
from ganlab.networks.dcgan import Discriminator, Generator
from ganlab.objectives.losses import NonSaturating
from ganlab.objectives.penalties import R1, LeCam
from ganlab.runs.machine import Machine
from ganlab.systems.adversary import Adversary
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
            yield {"images": smooth(BATCH, seen)}
            seen += BATCH


def smooth(count: int, seed: int) -> Tensor:
    """Smooth pictures, uint8 (count, SIZE, SIZE, 3), as they lie in a pack."""
    coarse = torch.rand(count, 3, 4, 4, generator=generator_of(5, seed))
    images = nn.functional.interpolate(coarse, size=SIZE, mode="bicubic").clamp(0, 1)
    return (images * 255).byte().permute(0, 2, 3, 1).contiguous()


class Losses(L.Callback):
    """Keeps both losses of every minibatch, and saves a checkpoint at the end where it is told to."""

    def __init__(self, checkpoint: Path | None) -> None:
        self.values: list[list[float]] = []
        self.checkpoint = checkpoint

    def on_train_batch_end(self, *arguments: Any) -> None:
        terms = arguments[2]
        self.values.append([float(terms["loss/discriminator"]), float(terms["loss/generator"])])

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.checkpoint:
            trainer.save_checkpoint(self.checkpoint)


def make(fused: bool = True, **options: Any) -> GAN:
    seed_step(3, 0, 0)

    def adam(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999), fused=fused)

    networks = Generator(SIZE, width=8, latent_size=16, eps=1e-5), Discriminator(SIZE, width=8, eps=1e-5)
    optimizers = {"generator": adam, "discriminator": adam}
    adversary = Adversary(NonSaturating(), options.pop("penalties", None))
    return GAN(*networks, optimizers, adversary, sequential(), seed=3, **options)


def fit(
    system: GAN,
    folder: Path,
    steps: int = STEPS,
    data: L.LightningDataModule | None = None,
    start: Path | None = None,
    save: Path | None = None,
    **options: Any,
) -> Tensor:
    """Train until so many steps, from a checkpoint or anew; returns the losses (steps taken, 2) of D and G."""
    losses = Losses(save)
    trainer = L.Trainer(
        **{"accelerator": "cpu"} | options, max_epochs=-1, callbacks=[StopAtImages(steps * BATCH), losses],
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(system, Blobs(system) if data is None else data, ckpt_path=start, weights_only=True)
    return torch.tensor(losses.values)


def assert_alike(losses: Tensor, expected: Tensor) -> None:
    """Within the noise of products in bfloat16."""
    distance = (losses - expected).abs() / expected
    assert distance.mean() < 0.01 and distance.max() < 0.05, distance


def test_fifty_steps_of_the_fast_path_have_the_losses_of_the_plain_one(tmp_path: Path) -> None:
    expected = fit(make(fused=False, channels_last=False), tmp_path)
    assert expected.shape == (STEPS, 2) and (expected.amax(0) - expected.amin(0)).min() > 0.1  # something happens
    exact = fit(make(), tmp_path)
    torch.testing.assert_close(exact, expected, rtol=1e-3, atol=1e-3)
    rounded = fit(make(), tmp_path, precision="bf16-mixed")
    assert not torch.equal(rounded, expected)
    assert_alike(rounded, expected)


@pytest.mark.soak
@pytest.mark.skipif(not Machine.here("cpu").compiles, reason="needs a C++ compiler")
def test_fifty_compiled_steps_have_the_losses_of_eager_ones(tmp_path: Path) -> None:
    torch.compiler.reset()
    counters["stats"].clear()
    compiled = make()
    compiled.compile_networks("default")
    losses = fit(compiled, tmp_path)
    assert counters["stats"]["unique_graphs"] >= 2  # nothing fell back to eager in silence
    torch.testing.assert_close(losses, fit(make(), tmp_path), rtol=1e-3, atol=1e-3)


def layouts(module: nn.Module) -> set[bool]:
    """Whether the weights of the convolutions have their channels last."""
    weights = (value for value in module.parameters() if value.dim() == 4)
    return {value.is_contiguous(memory_format=torch.channels_last) and not value.is_contiguous() for value in weights}


def test_a_run_may_continue_in_the_other_memory_format(tmp_path: Path) -> None:
    checkpoint = tmp_path / "half.ckpt"
    fit(make(), tmp_path, 5, save=checkpoint)
    same, other = make(), make(channels_last=False)
    assert True in layouts(same) and layouts(other) == {False}
    expected = fit(same, tmp_path, 10, start=checkpoint)
    assert expected.shape == (5, 2)
    torch.testing.assert_close(fit(other, tmp_path, 10, start=checkpoint), expected, rtol=1e-3, atol=1e-3)
    for system in (same, other):
        for optimizer in system.trainer.optimizers:
            for parameter, state in optimizer.state.items():
                assert state["exp_avg"].stride() == state["exp_avg_sq"].stride() == parameter.stride()


@pytest.mark.parametrize("channels_last", [True, False])
def test_networks_see_images_in_their_memory_format(tmp_path: Path, channels_last: bool) -> None:
    system, seen = make(channels_last=channels_last), list[bool]()
    system.networks["discriminator"].register_forward_pre_hook(lambda _, given: seen.append(given[0].is_contiguous()))
    fit(system, tmp_path, 2)
    assert seen[::3] == [not channels_last] * 2  # the reals of both minibatches
    assert channels_last or all(seen)


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
    plain = Adversary.discriminate

    def discriminate(self: Adversary, network: Any, shown: dict[str, Tensor]) -> Tensor:
        seen.append(isinstance(network, Counting))
        return plain(self, network, shown)

    monkeypatch.setattr(Adversary, "discriminate", discriminate)
    losses = fit(system, tmp_path, 2)
    calls = {name: network.calls for name, network in system.compiled.items()}  # type: ignore[attr-defined]
    assert calls == {"discriminator": 6, "generator": 2}  # reals, fakes, and fakes again in G's step, each twice
    assert seen.count(False) == 2 * len(twice)
    system.sample(4)
    assert calls["generator"] == system.compiled["generator"].calls  # type: ignore[attr-defined]
    uncompiled = make(penalties={"penalty": type(penalty)(penalty.weight)} if penalty else {})
    torch.testing.assert_close(losses, fit(uncompiled, tmp_path, 2), rtol=0, atol=0)
