"""Recipes of pictures into pictures, as they are configured."""

from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from ganlab.configuration.checking import check
from ganlab.configuration.entry import CONF
from ganlab.configuration.recipes import expand_variants, variants_of
from ganlab.errors import UserError
from ganlab.runs.build import build_system, require_learnable
from ganlab.systems.adversarial import AdversarialSystem

FOUR = ("update=in_turn", "update.players=[a_to_b,d_b,b_to_a,d_a]")


def built(*overrides: str) -> tuple[AdversarialSystem, dict[str, Any]]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = check(compose("train", [*overrides, "run=x", "name=x"]))
    require_learnable(config)
    return build_system(config), config


@pytest.mark.parametrize(
    ("overrides", "family", "seen", "pack_size"),
    [
        (["experiment=facades"], "Pix2Pix", 6, 286),
        (["experiment=facades", "data.image_size=64"], "Pix2Pix", 6, 72),
        (["experiment=edges2shoes", "data.root=."], "Pix2Pix", 6, 286),
        (["experiment=colourise", "data.root=."], "Pix2Pix", 4, 286),
        (
            ["experiment=context_encoder", "data.root=.", "architecture.generator.bottleneck_units=4"],
            "ContextEncoder",
            3,
            None,
        ),
        (
            ["experiment=random_region", "data.root=.", "architecture.generator.bottleneck_units=4"],
            "ContextEncoder",
            3,
            None,
        ),
        (["experiment=day2night"], "CycleGAN", 3, None),
        (["experiment=horse2deer"], "CycleGAN", 3, None),
    ],
)
def test_every_recipe_is_built(overrides: list[str], family: str, seen: int, pack_size: int | None) -> None:
    system, config = built(*overrides, "architecture.width=2")
    assert type(system).__name__ == family and config["data"]["pack_size"] == pack_size
    discriminator = next(network for name, network in system.networks.items() if name.startswith("d"))
    assert discriminator.input_shape[0] == seen
    if "CycleGAN" in family or family == "Pix2Pix":
        assert config["schedule"]["start"] * 2 == config["schedule"]["until"] == config["max_images"]
    if family == "ContextEncoder":  # ten times D's
        optimizers = [
            system.players[name].optimizer(iter(network.parameters())) for name, network in system.networks.items()
        ]
        assert [optimizer.defaults["lr"] for optimizer in optimizers] == [2e-4, 2e-3]


def test_both_forms_of_cyclegan() -> None:
    small = ("experiment=cyclegan", "architecture.width=1", "architecture.generator.blocks=1")
    two, four = (built(*small, *rest)[0] for rest in ((), FOUR))
    assert {name: player.networks for name, player in two.players.items()} == {
        "generator": ("a_to_b", "b_to_a"), "discriminator": ("d_a", "d_b"),
    }  # fmt: skip
    assert [player.networks for player in four.players.values()] == [("a_to_b",), ("b_to_a",), ("d_a",), ("d_b",)]
    assert [phase.players[0] for phase in four.update[0]] == ["a_to_b", "d_b", "b_to_a", "d_a"]
    assert [two.weight("generator", term) for term in ("adversarial/a_to_b", "cycle/a", "identity/a_to_b")] == [
        1,
        10,
        5,
    ]
    assert [each.weight(name, "adversarial/d_a") for each, name in ((two, "discriminator"), (four, "d_a"))] == [
        0.5,
        0.5,
    ]
    assert built(*small, "system.identity=1", "system.weights.cycle=4")[0].weight("generator", "identity/a_to_b") == 4
    pools = {each.pool.capacity for each in two.adversaries.values()}  # type: ignore[union-attr]
    assert pools == {50} and two.averages.keys() == set()


def test_variants_of_the_losses_of_pix2pix() -> None:
    found = {}
    for loss in ("l1", "gan", "cgan", "l1_gan", "l1_cgan"):
        typed = ["sweep=pix2pix_losses", f"loss={loss}"]
        system, _ = built(*expand_variants(typed, variants_of(typed, CONF)), "architecture.width=1")
        terms = [term for term in ("l1", "adversarial") if system.weight("generator", term)]
        found[loss] = terms, system.networks["discriminator"].condition_channels
    both = ["l1", "adversarial"]
    assert found == {
        "l1": (["l1"], 3),
        "gan": (["adversarial"], 0),
        "cgan": (["adversarial"], 3),
        "l1_gan": (both, 0),
        "l1_cgan": (both, 3),
    }


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["experiment=context_encoder", "data.root=.", "data.inputs=occlusion", "data.overlap=0"],
            "predicts the centre, and data.inputs=occlusion does",
        ),
        (
            ["experiment=context_encoder", "data.root=.", "data.inputs=none", "data.overlap=0"],
            "learns from inputs and targets and masks; data=folder holds images: type",
        ),
        (
            ["experiment=cyclegan", "architecture.discriminator.condition_channels=3"],
            "see a picture alone: type architecture.condition_channels=0",
        ),
        (["experiment=facades", "architecture=dcgan"], "its generator takes latents: type architecture=pix2pix"),
        (
            ["experiment=facades", "architecture/discriminator=dcgan_conditional", "data.num_classes=10"],
            "pictures alone, and it takes labels: type architecture/discriminator=pix2pix",
        ),
        (
            ["experiment=facades", "architecture.condition_channels=1"],
            "type architecture.condition_channels=3, or 0 for",
        ),
        (["experiment=facades", "architecture=context_encoder"], "type architecture.region=whole, or system=context"),
        (["experiment=facades", "system.statistics=standing"], "statistics=standing must be batch or running"),
        (
            ["experiment=facades", *FOUR],
            "update names a_to_b, b_to_a, d_a, d_b: the players are discriminator, generator",
        ),
    ],
)
def test_mistakes_are_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        built(*overrides, "architecture.width=2")
    assert "\n" not in str(error.value)


def test_a_run_on_drawn_rooms_chooses_its_best_by_a_paired_metric(command: Any, tmp_path: Any) -> None:
    rooms = ("data=scenes", "data.count=160", "data.image_size=16", "architecture.generator.bottleneck_units=8")
    outcome = command("train", "debug=smoke", "experiment=context_encoder", *rooms, "run=rooms", "logger=none")
    assert outcome.code == 0, outcome.err
    assert "psnr_hole" in outcome.out and "src/translate.py checkpoint=" in outcome.out
    run = tmp_path / "outputs" / "rooms"
    assert (run / "checkpoints" / "best.ckpt").is_file() and (run / "samples" / "images_000000256.png").is_file()
    outcome = command("train", "debug=smoke", "experiment=context_encoder", *rooms, "data.batch_size=1", "run=one")
    assert (
        outcome.code == 1
        and "leaves one image at a time, and batch norm needs more: type data.batch_size=2" in outcome.err
    )
    assert not (tmp_path / "outputs" / "one").exists()
