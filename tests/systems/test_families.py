"""Families that are small subclasses of the loop, each against the same steps written out in plain PyTorch."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softplus

from ganlab.callbacks.stop import StopAtImages
from ganlab.images import to_floats
from ganlab.objectives.losses import NonSaturating
from ganlab.systems.adversarial import AdversarialSystem
from ganlab.systems.clock import generator_of, seed_step
from ganlab.systems.update import Phase, in_turn

sys.path.insert(0, str(Path(__file__).parent))
from families import (  # noqa: E402
    LUA,
    SEED,
    SIDE,
    GrowingGAN,
    adam,
    context_encoder,
    cycle_of_four,
    cycle_of_two,
    pix2pix,
)

BATCH = 8
Batch = dict[str, Tensor]


class Pictures:
    """An endless stream of batches of named pictures, each a function of its position."""

    def __init__(self, names: tuple[str, ...], system: AdversarialSystem | None = None) -> None:
        self.names, self.system = names, system

    def __iter__(self) -> Iterator[Batch]:
        seen = self.system.clock.images_seen if self.system else 0
        while True:
            size = self.system.stages(seen).batch_size or BATCH if self.system else BATCH
            yield batch_at(self.names, seen, size)
            seen += size


def batch_at(names: tuple[str, ...], seen: int, size: int = BATCH) -> Batch:
    rng = generator_of(99, seen)
    if "masks" in names:  # a hole of 8 pixels with a rim of one that is shown
        masks, inner = (torch.zeros(size, SIDE, SIDE, dtype=torch.bool) for _ in range(2))
        masks[:, 4:12, 4:12] = inner[:, 5:11, 5:11] = True
        pictures = batch_at(("targets",), seen, size)["targets"]
        inputs = torch.where(inner[..., None], 117, pictures).byte()
        return {"inputs": inputs, "targets": pictures, "masks": masks, "rim": masks & ~inner}
    return {name: torch.randint(0, 256, (size, SIDE, SIDE, 1), generator=rng, dtype=torch.uint8) for name in names}


def fit(system: AdversarialSystem, images: int, folder: Path, precision: Any = "32-true") -> list[Batch]:
    logged: list[Batch] = []
    step = system.training_step
    system.training_step = lambda *given: logged.append(step(*given)) or logged[-1]  # type: ignore[method-assign, func-returns-value]
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=-1, callbacks=[StopAtImages(images)], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, precision=precision,
    )  # fmt: skip
    trainer.fit(system, train_dataloaders=Pictures(system.learns_from, system))
    return logged


def same(networks: Any, others: Any) -> None:
    for name, network in networks.items():
        for mine, theirs in zip(network.parameters(), others[name].parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def floats(names: tuple[str, ...], minibatches: int) -> Iterator[tuple[int, Batch]]:
    """Yield the images seen, and what a plain loop trains on, at the start of each step."""
    for index in range(minibatches):
        seed_step(SEED, 0, index * BATCH)
        batch = batch_at(names, index * BATCH)
        pictures = {name: value for name, value in batch.items() if value.dtype == torch.uint8}
        yield index * BATCH, {name: to_floats(value, (-1.0, 1.0)) for name, value in pictures.items()}


def test_pix2pix_takes_the_steps_of_its_plain_loop(tmp_path: Path) -> None:
    system, plain = pix2pix(), pix2pix().networks
    g, d = plain["generator"], plain["discriminator"]
    g_adam, d_adam = adam(g.parameters()), adam(d.parameters())
    for _, batch in floats(("inputs", "targets"), 20):
        inputs, targets = batch["inputs"], batch["targets"]
        fakes = g(inputs)
        d_adam.zero_grad()
        real_logits, fake_logits = d(torch.cat([inputs, targets], 1)), d(torch.cat([inputs, fakes.detach()], 1))
        (softplus(-real_logits).mean() + softplus(fake_logits).mean()).backward()
        d_adam.step()
        g_adam.zero_grad()
        l1 = (fakes - targets).abs().mean()
        torch.stack([softplus(-d(torch.cat([inputs, fakes], 1))).mean(), 100.0 * l1]).sum().backward()
        g_adam.step()
    logged = fit(system, 20 * BATCH, tmp_path)
    same(system.networks, plain)
    assert logged[0].keys() == {
        "loss/discriminator", "discriminator/accuracy", "discriminator/margin",
        "loss/generator", "generator/adversarial", "generator/l1", "generator/slope",
    }  # fmt: skip
    torch.testing.assert_close(logged[-1]["generator/l1"], 100 * l1.detach())


def test_a_term_of_weight_0_is_switched_off_and_the_discriminator_with_it(tmp_path: Path) -> None:
    system = pix2pix(weights={"l1": 1.0, "adversarial": 0.0, "discriminator": {"adversarial": 0.5}})
    before = [weight.clone() for weight in system.networks["discriminator"].parameters()]
    system.adversaries["discriminator"].discriminate = None  # type: ignore[assignment]
    logged = fit(system, 3 * BATCH, tmp_path)
    assert system.clock.steps == {"discriminator": 0, "generator": 3}
    assert logged[0].keys() == {"loss/generator"}
    for old, weight in zip(before, system.networks["discriminator"].parameters(), strict=True):
        assert torch.equal(old, weight)


def test_a_weight_may_be_of_one_player(tmp_path: Path) -> None:
    weights = {"l1": 100.0, "discriminator": {"adversarial": 0.5}}
    whole, half = (fit(pix2pix(**each), BATCH, tmp_path)[0] for each in ({}, {"weights": weights}))
    assert half["loss/discriminator"] == 0.5 * whole["loss/discriminator"]
    assert half["generator/l1"] == pytest.approx(whole["generator/l1"].item(), abs=0.1)  # D's step went before


def test_a_context_encoder_takes_the_steps_of_its_plain_loop(tmp_path: Path) -> None:
    system, plain = context_encoder(), context_encoder().networks
    g, d = plain["generator"], plain["discriminator"]
    g_adam, d_adam = adam(g.parameters(), lr=0.1), adam(d.parameters())  # ten times as fast with both terms
    rim = torch.full((8, 8), 10.0)
    rim[1:7, 1:7] = 1.0
    assert rim.sum() == 28 * 10 + 36
    for _, batch in floats(system.learns_from, 10):
        truth, fakes = batch["targets"][:, :, 4:12, 4:12], g(batch["inputs"])
        d_adam.zero_grad()
        (softplus(-d(truth)).mean() + softplus(d(fakes.detach())).mean()).backward()
        d_adam.step()
        g_adam.zero_grad()
        l2 = (rim * (fakes - truth).square()).mean()
        torch.stack([0.001 * softplus(-d(fakes)).mean(), 0.999 * l2]).sum().backward()
        g_adam.step()
    logged = fit(system, 10 * BATCH, tmp_path)
    same(system.networks, plain)
    torch.testing.assert_close(logged[-1]["generator/l2"], 0.999 * l2.detach())
    alone = context_encoder(weights={"adversarial": 0.0})
    assert alone.players["generator"].optimizer(iter([*g.parameters()])).defaults["lr"] == 0.01


def plain_cycle(networks: Any, minibatches: int, four: bool) -> None:
    """CycleGAN with pools of 10, written out: generators first (PyTorch), or four players in turn (Lua)."""
    pools: dict[str, list[Tensor]] = {"a": [], "b": []}
    groups = [[name] for name in LUA] if four else [["a_to_b", "b_to_a"], ["d_a", "d_b"]]
    adams = [adam([weight for name in group for weight in networks[name].parameters()]) for group in groups]

    def from_pool(side: str, fakes: Tensor) -> Tensor:
        held = pools[side]
        stored = len(held)
        new = min(10 - stored, len(fakes))
        held += [fake.clone() for fake in fakes[:new]]
        places = torch.randperm(stored)[: len(fakes) - new] if stored else torch.empty(0, dtype=torch.long)
        exchanged = torch.rand(len(places)) < 0.5
        fakes = fakes.clone()
        for row, place in zip(new + exchanged.nonzero()[:, 0], places[exchanged], strict=True):
            old = held[place]
            held[place] = fakes[row].clone()
            fakes[row] = old
        return fakes

    for _, real in floats(("a", "b"), minibatches):
        made: Batch = {}
        for group, optimizer in zip(groups, adams, strict=True):
            generating = group[0][0] != "d"
            if four or generating:
                made = {"b": networks["a_to_b"](real["a"]), "a": networks["b_to_a"](real["b"])}
            optimizer.zero_grad()
            terms: list[Tensor] = []
            for name in group:
                side = name[-1]
                d = networks[f"d_{side}"]
                if generating:
                    terms.append((d(made[side]) - 1).square().mean())
                    terms.append(5.0 * (networks[name](real[side]) - real[side]).abs().mean())
                else:
                    shown = from_pool(side, made[side].detach())
                    terms.append(0.5 * ((d(real[side]) - 1).square().mean() + d(shown).square().mean()))
            if generating:  # Lua: each generator steps on the cycle that begins with it, and on the one that ends so
                terms.append(10.0 * (networks["b_to_a"](made["b"]) - real["a"]).abs().mean())
                terms.append(10.0 * (networks["a_to_b"](made["a"]) - real["b"]).abs().mean())
            torch.stack(terms).sum().backward()
            for name, network in networks.items():  # what another player's backward pass left behind
                if name not in group:
                    network.zero_grad()
            optimizer.step()
            optimizer.zero_grad()


@pytest.mark.parametrize("form", [cycle_of_two, cycle_of_four])
def test_both_forms_of_a_cycle_take_the_steps_of_their_plain_loops(form: Any, tmp_path: Path) -> None:
    system, plain = form(normalization="instance"), form(normalization="instance").networks
    plain_cycle(plain, 10, four=form is cycle_of_four)
    fit(system, 10 * BATCH, tmp_path)
    same(system.networks, plain)
    assert set(system.clock.steps.values()) == {10}
    assert all(len(adversary.pool.held["images"]) == 10 for adversary in system.adversaries.values())


def test_the_least_squares_of_cyclegan_weigh_a_tenth_of_its_cycle(tmp_path: Path) -> None:
    system, plain = cycle_of_two(), cycle_of_two().networks
    logged = fit(system, BATCH, tmp_path)[0]
    _, real = next(floats(("a", "b"), 1))
    for source, target in ("ab", "ba"):
        fakes = plain[f"{source}_to_{target}"](real[source])
        squares = (plain[f"d_{target}"](fakes) - 1).square().mean()
        assert logged[f"generator/adversarial/{source}_to_{target}"].item() == pytest.approx(squares.item(), rel=0.2)
    assert {key for key in logged if key.startswith("generator/")} == {
        f"generator/{name}"
        for task in ("a_to_b", "b_to_a")
        for name in (f"adversarial/{task}", f"identity/{task}", f"cycle/{task[0]}")
    }
    assert {"a_to_b/slope", "b_to_a/slope", "d_a/accuracy", "d_b/accuracy"} < logged.keys()


def test_the_log_loss_of_a_cycle_is_the_formula_of_the_workshop(tmp_path: Path) -> None:
    options = {"objective": NonSaturating, "identity": 0.0, "weights": {"cycle": 10.0}}
    system, plain = cycle_of_two(**options), cycle_of_two(**options).networks
    for network in (*system.networks.values(), *plain.values()):
        for layer in network.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    logged = fit(system, BATCH, tmp_path)[0]
    _, real = next(floats(("a", "b"), 1))
    g1, g2 = plain["a_to_b"], plain["b_to_a"]
    d1, d2 = (lambda x, d=plain[name]: d(x).double().sigmoid() for name in ("d_b", "d_a"))  # G1: H to Z, G2: back
    h, z = real["a"], real["b"]
    j_d1 = -d1(z).log().mean() - (1 - d1(g1(h))).log().mean()
    j_g1 = -d1(g1(h)).log().mean()
    j_d2 = -d2(h).log().mean() - (1 - d2(g2(z))).log().mean()
    j_g2 = -d2(g2(z)).log().mean()
    j_cycle = (g2(g1(h)) - h).abs().mean() + (g1(g2(z)) - z).abs().mean()
    assert logged["loss/generator"].item() == pytest.approx((j_g1 + j_g2 + 10 * j_cycle).item(), rel=1e-5)
    assert logged["loss/discriminator"].item() == pytest.approx((j_d1 + j_d2).item(), rel=1e-5)


@pytest.mark.parametrize("family", [pix2pix, context_encoder, cycle_of_two])
def test_bfloat16_trains_what_float32_does(family: Any, tmp_path: Path) -> None:
    exact, rough = (fit(family(), 2 * BATCH, tmp_path, p)[0] for p in ("32-true", "bf16-mixed"))
    for name in ("loss/generator", "loss/discriminator"):
        assert rough[name].item() == pytest.approx(exact[name].item(), rel=0.05)


TOGETHER = ((Phase(LUA),),)
D_FIRST = ((Phase(("d_a", "d_b")), Phase(("a_to_b", "b_to_a"), fresh=False)),)


@pytest.mark.parametrize("rule", [TOGETHER, D_FIRST])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_generating_players_never_share_a_graph(rule: Any, accumulate: int, tmp_path: Path) -> None:
    system = cycle_of_four(update=rule, accumulate=accumulate)
    fit(system, 2 * BATCH, tmp_path)
    assert system.clock.steps == dict.fromkeys(LUA, 2)


def test_accumulation_keeps_the_fakes_from_before_the_generators_step(tmp_path: Path) -> None:
    made: list[int] = []
    whole, parts = cycle_of_two(replay=0), cycle_of_two(replay=0, accumulate=4)
    for system in (whole, parts):
        for layer in system.networks.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0  # drawn for each part by itself
    generate = parts.generate
    parts.generate = lambda batch: made.append(len(batch["a"])) or generate(batch)  # type: ignore[method-assign, func-returns-value]
    fit(whole, 3 * BATCH, tmp_path)
    fit(parts, 3 * BATCH, tmp_path)
    assert made == [2] * 4 * 3  # once a part: the discriminators see the fakes that the generators stepped on
    for name, network in whole.networks.items():
        for mine, theirs in zip(network.parameters(), parts.networks[name].parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_a_growing_gan_takes_the_steps_of_its_plain_loop(tmp_path: Path) -> None:
    system, plain = GrowingGAN(), GrowingGAN().networks
    g, d = plain["generator"], plain["discriminator"]
    g_adam, d_adam = adam(g.parameters()), adam(d.parameters())
    seen, sizes, fades = 0, [], []
    for _ in range(24):
        seed_step(SEED, 0, seen)
        fade = min((seen - 48) / 40, 1.0)
        growing, size = seen >= 48, 4 if seen >= 48 else BATCH
        if seen == 48:
            g.second.weight.data.zero_()[0, 0, 1, 1] = 1.0
        if seen in (48, 88):
            g_adam.state.clear(), d_adam.state.clear()
        images = to_floats(batch_at(("images",), seen, size)["images"], (-1.0, 1.0))
        coarse = interpolate(avg_pool2d(images, 2), scale_factor=2)
        real = torch.lerp(coarse, images, fade) if growing else coarse
        latents = torch.randn(size, 3, generator=generator_of(SEED, seen, 0))
        old = interpolate(g.first(latents).view(-1, 1, SIDE // 2, SIDE // 2), scale_factor=2)
        fakes = torch.lerp(old, g.second(old), fade) if growing else old
        for optimizer in (d_adam, g_adam):
            optimizer.param_groups[0]["lr"] = 0.01 * (0.5 if growing else 1.0)
        d_adam.zero_grad()
        (softplus(-d(real)).mean() + softplus(d(fakes.detach())).mean()).backward()
        d_adam.step()
        g_adam.zero_grad()
        softplus(-d(fakes)).mean().backward()
        g_adam.step()
        sizes.append(size), fades.append(fade)
        seen += size
    assert sizes == [8] * 6 + [4] * 18 and fades[6:17] == [k / 10 for k in range(11)]
    fit(system, seen, tmp_path)
    assert system.clock.images_seen == seen and system.entered == [0, 1]
    same(system.networks, plain)


def test_freezing_restores_what_it_found(tmp_path: Path) -> None:
    system = cycle_of_four()
    frozen = next(system.networks["d_a"].parameters()).requires_grad_(False)
    before = frozen.clone()
    fit(system, 2 * BATCH, tmp_path)
    assert not frozen.requires_grad and torch.equal(frozen, before)
    assert all(weight.requires_grad for weight in system.networks["a_to_b"].parameters())


def test_an_update_rule_of_unknown_players_is_refused() -> None:
    with pytest.raises(ValueError, match="update names d_c: the players are a_to_b, b_to_a, d_a, d_b"):
        cycle_of_four(update=in_turn(("a_to_b", "d_c")))
