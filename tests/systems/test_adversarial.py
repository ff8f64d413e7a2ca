"""The loop against the same steps written out in plain PyTorch."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganlab.callbacks.stop import StopAtImages
from ganlab.images import to_floats
from ganlab.objectives.losses import NonSaturating
from ganlab.objectives.penalties import R1
from ganlab.systems.adversary import Adversary
from ganlab.systems.clock import generator_of, seed_step
from ganlab.systems.gan import GAN
from ganlab.systems.request import Request
from ganlab.systems.schedules import Linear
from ganlab.systems.update import UpdateRule, alternating, sequential, simultaneous

BATCH = 8


class Generator(nn.Sequential):
    """A generator without batch statistics."""

    value_range, sampling_statistics = (-1.0, 1.0), "running"

    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))

    def draw_latents(self, count: int, rng: torch.Generator) -> Tensor:
        return torch.randn(count, 3, generator=rng)


class Discriminator(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Flatten(0))


class Reals:
    """An endless stream of batches, each a function of its position, that begins where the clock stands."""

    def __init__(self, system: GAN | None = None) -> None:
        self.system = system

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        seen = self.system.clock.images_seen if self.system else 0
        while True:
            rng = generator_of(99, seen)
            yield {"images": torch.randint(0, 256, (BATCH, 4, 4, 1), generator=rng, dtype=torch.uint8)}
            seen += BATCH


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01, betas=(0.5, 0.999))


def make(update: UpdateRule, **options: Any) -> GAN:
    seed_step(7, 0, 0)
    optimizers = {"generator": adam, "discriminator": adam}
    adversary = Adversary(NonSaturating(), options.pop("penalties", None))
    return GAN(Generator(), Discriminator(), optimizers, adversary, update, seed=7, **options)


def fit(system: GAN, images: int, folder: Path, **options: Any) -> L.Trainer:
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=-1, callbacks=[StopAtImages(images)], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, **options,
    )  # fmt: skip
    trainer.fit(system, train_dataloaders=Reals(system))
    return trainer


def by_hand(rule: str, minibatches: int) -> tuple[nn.Module, nn.Module]:
    """The three update rules, written out."""
    seed_step(7, 0, 0)
    g, d = Generator(), Discriminator()
    g_adam, d_adam = adam(g.parameters()), adam(d.parameters())

    def d_loss(real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-d(real)).mean() + softplus(d(fake.detach())).mean()

    for index, batch in enumerate(islice(Reals(), minibatches)):
        real = to_floats(batch["images"], (-1.0, 1.0))
        fake = g(torch.randn(BATCH, 3, generator=generator_of(7, index * BATCH, 0)))
        if rule == "simultaneous":
            g_gradients = torch.autograd.grad(softplus(-d(fake)).mean(), list(g.parameters()), retain_graph=True)
        if rule != "alternating" or index % 2 == 1:
            d_adam.zero_grad()
            d_loss(real, fake).backward()
            d_adam.step()
        if rule == "simultaneous":
            for parameter, gradient in zip(g.parameters(), g_gradients, strict=True):
                parameter.grad = gradient
            g_adam.step()
        elif rule == "sequential" or index % 2 == 0:
            g_adam.zero_grad()
            softplus(-d(fake)).mean().backward()
            g_adam.step()
    return g, d


def same(one: nn.Module, other: nn.Module, **tolerance: float) -> None:
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, **tolerance or {"rtol": 0, "atol": 0})


@pytest.mark.parametrize("rule", [sequential, alternating, simultaneous])
def test_each_rule_takes_the_steps_of_its_plain_loop(rule: Any, tmp_path: Path) -> None:
    system = make(rule())
    fit(system, 10 * BATCH, tmp_path)
    generator, discriminator = by_hand(rule.__name__, 10)
    same(system.networks["generator"], generator)
    same(system.networks["discriminator"], discriminator)


@pytest.mark.parametrize(
    ("rule", "minibatches", "steps"),
    [
        (sequential(d_steps=3), 12, {"discriminator": 12, "generator": 4}),
        (sequential(g_steps=2), 12, {"discriminator": 12, "generator": 24}),
        (alternating(), 12, {"discriminator": 6, "generator": 6}),
        (alternating(d_steps=2), 12, {"discriminator": 8, "generator": 4}),
        (simultaneous(), 12, {"discriminator": 12, "generator": 12}),
    ],
)
def test_images_and_steps_are_counted(
    rule: UpdateRule, minibatches: int, steps: dict[str, int], tmp_path: Path
) -> None:
    system = make(rule)
    fit(system, minibatches * BATCH, tmp_path)
    assert system.clock.images_seen == minibatches * BATCH
    assert system.clock.steps == steps


@pytest.mark.parametrize("rule", [sequential(), sequential(g_steps=2), alternating(), simultaneous()])
def test_accumulation_equals_the_whole_minibatch(rule: UpdateRule, tmp_path: Path) -> None:
    whole, parts = make(rule), make(rule, accumulate=4)
    fit(whole, 6 * BATCH, tmp_path)
    fit(parts, 6 * BATCH, tmp_path)
    same(whole.networks, parts.networks, rtol=1e-4, atol=1e-6)


def test_a_players_step_leaves_the_other_alone(tmp_path: Path) -> None:
    system = make(((alternating()[0][0],),))  # the generator alone
    before = [parameter.clone() for parameter in system.networks["discriminator"].parameters()]
    fit(system, 4 * BATCH, tmp_path)
    for old, parameter in zip(before, system.networks["discriminator"].parameters(), strict=True):
        assert torch.equal(old, parameter) and parameter.grad is None and parameter.requires_grad


def test_clipping_bounds_the_gradient(tmp_path: Path) -> None:
    norms: list[float] = []

    def watched(parameters: Any) -> torch.optim.Optimizer:
        held = list(parameters)
        optimizer = torch.optim.SGD(held, lr=0.1)
        step = optimizer.step

        def noting(*args: Any, **kwargs: Any) -> Any:
            result = step(*args, **kwargs)
            norms.append(torch.stack([p.grad.norm() for p in held]).norm().item())
            return result

        optimizer.step = noting  # type: ignore[method-assign]
        return optimizer

    system = GAN(
        Generator(), Discriminator(), {"generator": watched, "discriminator": watched}, Adversary(NonSaturating()),
        sequential(), clip_norm=0.01,
    )  # fmt: skip
    fit(system, 3 * BATCH, tmp_path)
    assert len(norms) == 6 and max(norms) == pytest.approx(0.01, rel=1e-3)


def test_a_lazy_penalty_is_due_at_its_interval(tmp_path: Path) -> None:
    class Counting(R1):
        called_at: list[int] = []

        def measure(self, batch: Any) -> Tensor:
            self.called_at.append(system.clock.steps["discriminator"])
            return super().measure(batch)

    system = make(sequential(), penalties={"r1": Counting(weight=1.0, interval=4)})
    fit(system, 9 * BATCH, tmp_path)
    assert Counting.called_at == [0, 4, 8]


def test_learning_rates_follow_the_schedule_by_images_seen(tmp_path: Path) -> None:
    system = make(sequential(d_steps=2), schedule=Linear(until=10 * BATCH, start=2 * BATCH, floor=0.5))
    rates: list[tuple[float, float]] = []
    step = system.training_step

    def noting(*given: Any) -> Any:
        terms = step(given[0], 0)
        rates.append(tuple(float(terms.get(f"lr/{name}", 0)) for name in ("discriminator", "generator")))
        return terms

    system.training_step = noting  # type: ignore[method-assign]
    fit(system, 12 * BATCH, tmp_path)
    factors = [1, 1, 1, *(1 - k / 16 for k in range(1, 8)), 0.5, 0.5]
    assert [d for d, _ in rates] == pytest.approx([0.01 * factor for factor in factors])
    assert [g for _, g in rates][1::2] == pytest.approx([0.01 * factor for factor in factors[1::2]])
    assert system.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.005)


def test_the_average_follows_the_generator_alone(tmp_path: Path) -> None:
    system = make(sequential(), half_life=50)
    untrained = [parameter.clone() for parameter in system.networks["generator"].parameters()]
    fit(system, 20 * BATCH, tmp_path)
    assert list(system.averages) == ["generator"]
    for start, mine, live in zip(
        untrained, system.ema_or_raw("generator").parameters(), system.networks["generator"].parameters(), strict=True
    ):
        assert not torch.equal(mine, start) and not torch.equal(mine, live)


def test_bf16_stays_close_to_float32(tmp_path: Path) -> None:
    exact, rounded = make(sequential()), make(sequential())
    fit(exact, 5 * BATCH, tmp_path)
    fit(rounded, 5 * BATCH, tmp_path, precision="bf16-mixed")
    same(exact.networks, rounded.networks, rtol=0, atol=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in rounded.parameters())


def test_samples_follow_from_seed_and_number_alone() -> None:
    system = make(sequential())
    torch.manual_seed(1)
    few, many = system.sample(5, seed=3), system.sample(203, seed=3)
    assert few.dtype == torch.uint8 and few.shape == (5, 1, 4, 4)
    assert torch.equal(few, many[:5])
    numbers = torch.tensor([150, 3, 99, 100, 202, 3])
    assert torch.equal(system.respond(Request(numbers), 3), many[numbers])
    assert not torch.equal(few, system.sample(5, seed=4))
    state = torch.get_rng_state()
    system.sample(3)
    assert torch.equal(state, torch.get_rng_state())


def test_decoding_is_differentiable_in_the_latents() -> None:
    system = make(sequential(), half_life=50)
    latents = torch.randn(120, 3, requires_grad=True)
    system.decode(Request.first(120, latents=latents), 0).sum().backward()
    assert latents.grad is not None and bool((latents.grad != 0).any(1).all())
    assert all(parameter.grad is None for parameter in system.ema_or_raw("generator").parameters())
    shown = system.respond(Request.first(120, latents=latents), 0)
    assert shown.shape == (120, 1, 4, 4) and not shown.requires_grad
