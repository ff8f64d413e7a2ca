"""Compositions of groups and values that nobody wrote down: each trains a step, or ends in one clear line."""

import math
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ganlab.configuration import CONF
from ganlab.configuration.checking import check, flat
from ganlab.configuration.command_line import explain
from ganlab.errors import UserError
from ganlab.runs.build import build_data, build_system, build_trainer
from ganlab.runs.machine import Machine, resolve_auto
from ganlab.runs.rehearsal import rehearse_system

BASE = (
    *("experiment=small", "data=digits", "data.image_size=16", "data.batch_size=8", "data.count=64", "run=composed"),
    *(
        "metrics=none",
        "logger=none",
        "diagnostics=none",
        "data.deduplicate=false",
        "name=composed",
        "outputs=outputs",
        "packs=packs",
    ),
    *("trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.benchmark=null", "machine.compile=none"),
)
GROUPS = ("architecture", "architecture/generator", "architecture/discriminator", "objective", "penalty", "augment")
GROUPS += ("optimizer", "update", "schedule", "regularizer", "system", "experiment")
# A GAN of latents, or a family of pictures into pictures with inputs made of the digits.
FAMILIES: tuple[tuple[str, ...], ...] = ((), (), ())
FAMILIES += (("experiment=pix2pix", "data.inputs=edges"), ("experiment=context_encoder", "data.inputs=centre_hole"))
OF_PICTURES = {"pix2pix", "context_encoder", "cyclegan", "random_region"}
OF_PICTURES |= {"facades", "edges2shoes", "colourise", "day2night", "horse2deer"}
SMALLER = {"architecture.width": 4, "architecture.maxout_units": 4, "architecture.discriminator.layers": 1}
NEEDED = {"schedule.until": 1000, "schedule.half_life": 1000.0}  # values without a default
# Where things are, what a machine can do, and what a step does not meet.
SKIPPED = (
    *("run", "name", "outputs", "packs", "checkpoint", "machine", "trainer", "every", "features", "metrics"),
    *(
        "data.source",
        "data.workers",
        "data.name",
        "data.dedup",
        "data.classes_of",
        "experiment",
        "diagnostics",
        "logger",
    ),
)
WRONG: tuple[Any, ...] = (
    *(-1, 0, 1, 2, 3, 2.5, 1e-9, 10**9, 2**70, 1e9, math.nan, math.inf),
    *(None, True, "text", "", [], [1]),
)


@cache
def options(group: str) -> list[str]:
    """The choices of a group that need no other data."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


@cache
def composed(*overrides: str) -> Any:
    """A small configuration of these choices, without missing values."""
    own = {override.partition("=")[0] for override in overrides}
    common = [override for override in BASE if override.partition("=")[0] not in own]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*common, *overrides])
    missing = OmegaConf.missing_keys(config)
    for key, value in (SMALLER | NEEDED).items():
        if key in missing or (key in SMALLER and OmegaConf.select(config, key) is not None):
            OmegaConf.update(config, key, value)
    return config


@st.composite
def compositions(draw: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """A few choices of groups, and a few values: near those of the files, or any."""
    family = draw(st.sampled_from(FAMILIES))
    groups = draw(st.lists(st.sampled_from(GROUPS[: -2 if family else None]), max_size=4, unique=True))
    choices = family
    for group in sorted(groups):
        fitting = [option for option in options(group) if (option in OF_PICTURES) == bool(family)]
        choices += (f"{group}={draw(st.sampled_from(fitting * 4 + options(group)))}",)
    try:
        values = flat(OmegaConf.to_container(composed(*choices), resolve=False))  # type: ignore[arg-type]
    except OmegaConfBaseException:  # a part of an architecture asks for a key that the other family lacks
        return choices, {}
    keys = sorted(key for key in values if not (key.startswith(SKIPPED) or key.endswith("_") or key in GROUPS))
    changed = {}
    for key in draw(st.lists(st.sampled_from(keys), max_size=2, unique=True)):
        value = values[key]
        near = [value]
        if isinstance(value, bool):
            near = [not value]
        elif isinstance(value, (int, float)):
            near = [value * 2, value / 2 if isinstance(value, float) else max(value // 2, 1)]
        any_value = draw(st.integers(0, 4)) == 0
        changed[key] = draw(st.sampled_from(WRONG if any_value else near))
    return choices, changed


class OneStep(L.Callback):
    """Keeps the first minibatch's losses, and stops."""

    losses: dict[str, float]

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses = {name: float(value) for name, value in outputs.items() if name.startswith("loss/")}
        trainer.should_stop = True


def outcome(choices: tuple[str, ...], changed: dict[str, Any], packs: Path) -> str:
    """Compose, check, rehearse, build and train one minibatch; return ``step``, or the line of the refusal."""
    try:
        config = deepcopy(composed(*choices))
        for key, value in changed.items():
            OmegaConf.update(config, key, value)
        plain = check(config) | {"packs": str(packs)}
        machine = Machine.here("cpu")
        plain = resolve_auto(plain, machine.choices(), None)
        rehearse_system(plain, 1)
        data, system = build_data(plain), build_system(plain)
        data.prepare_data()
        data.check(1, system.stages.batch_sizes, plain["accumulate"])
        system.check_labels(data.pack.labels if plain["data"]["labels"] else None)
        step = OneStep()
        build_trainer(plain, [step], []).fit(system, datamodule=data)
    except UserError as error:
        return str(error)
    except OmegaConfBaseException as error:
        return explain(error, CONF, "train", choices)
    assert step.losses and all(map(math.isfinite, step.losses.values())), step.losses
    return "step"


def explore(count: int, packs: Path, part: int = 0) -> None:
    """Try so many compositions, others for each part: at least half of them train."""
    outcomes: Counter[str] = Counter()

    @seed(part)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(compositions())
    def one(composition: tuple[tuple[str, ...], dict[str, Any]]) -> None:
        line = outcome(*composition, packs)
        assert line == "step" or ("\n" not in line and 10 < len(line) < 500), line
        outcomes[line] += 1

    one()
    assert outcomes["step"] >= outcomes.total() / 2, outcomes


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANLAB_RUN", "composed")


def test_a_few_compositions_train_or_end_in_one_line(packs: Path) -> None:
    explore(40, packs)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(1, 21))
def test_two_thousand_compositions_train_or_end_in_one_line(packs: Path, part: int) -> None:
    explore(100, packs, part)
