"""Real runs that are set up to fail, each in one way, and healthy ones: what the alarms say of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = Path(__file__).parents[2] / "src" / "train.py"
# Small pictures and a thousand steps, with as many looks as a run of many hours has.
SMALL = (
    "data.image_size=16", "architecture.width=16", "data.batch_size=16", "max_images=14000", "metrics=[fid]",
    "metrics.count=500", "every.log=1000", "every.diagnostics=1000", "every.metrics=2000", "every.samples=4000",
    "logger=none",
)  # fmt: skip
G, D = "architecture.generator.normalization", "architecture.discriminator.normalization"
HASTY = "optimizer.betas=[0.9,0.999]"
# How to fail, the alarm that has to trip, and those that may trip as well since they are true of such samples, too.
TROUBLES: dict[str, tuple[tuple[str, ...], str, set[str]]] = {
    # The saturating loss, and a generator a hundred times slower than the discriminator: noise that nothing improves.
    "saturating": (("objective=minimax", "penalty=[none]", "optimizer.generator.lr=1e-5"), "vanishing_gradient",
                   {"non_convergence"}),
    # Nothing normalised, plain gradient steps, and these much too long.
    "exploding": (("optimizer=sgd", "optimizer.lr=100", f"{G}=none", f"{D}=none", "penalty=[none]", "max_images=3000"),
                  "not_finite", set()),
    # A generator that hardly moves: its loss has all the slope it needs, and samples stay noise.
    "idle": (("penalty=[none]", "optimizer.generator.lr=1e-6"), "non_convergence", set()),
    # Steps five hundred times as long as the paper's: digits are nearly there, then one pattern is all that is left.
    "rash": (("penalty=[none]", "optimizer.lr=0.1"), "non_convergence", {"mode_collapse"}),
    # Four steps of the generator to one of the discriminator, and no batch norm that would keep samples apart.
    "hurried": (("penalty=[none]", "update.g_steps=4", f"{G}=none", HASTY, "max_images=5000"), "mode_collapse", set()),
    # Batch norm on the layers at the image as well, and momentum: what the paper warns of (sec. 3 and 4).
    "swinging": (("penalty=[none]", "update=simultaneous", f"{G}=all_layers", f"{D}=all_layers", HASTY,
                  "optimizer.lr=5e-3"), "oscillation", set()),
}  # fmt: skip
HEALTHY: dict[str, tuple[str, ...]] = {
    "digits": ("seed=1",),
    "conditional": ("architecture=dcgan_conditional", "architecture.hidden_units=128", "penalty=[none]"),
    "scenes": ("data=scenes", "data.image_size=32", "data.count=500", "architecture.width=8", "metrics=[swd]",
               "max_images=12000"),
}  # fmt: skip


def alarms(run: str, overrides: tuple[str, ...], folder: Path, packs: Path) -> list[str]:
    """Train, and return the names of the alarms in the order in which they tripped."""
    command = [sys.executable, str(TRAIN), *SMALL, *overrides, f"outputs={folder}", f"packs={packs}", f"run={run}"]
    process = subprocess.run(command, capture_output=True, text=True)
    summary = folder / run / "summary.json"
    assert summary.exists(), process.stderr
    return [alarm["name"] for alarm in json.loads(summary.read_text())["alarms"]]


@pytest.mark.soak
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_run_that_fails_trips_its_alarm(trouble: str, tmp_path: Path, packs: Path) -> None:
    overrides, alarm, consequences = TROUBLES[trouble]
    tripped = alarms(trouble, overrides, tmp_path, packs)
    assert alarm in tripped and set(tripped) <= {alarm, *consequences}


@pytest.mark.soak
@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_run_trips_none(kind: str, tmp_path: Path, packs: Path) -> None:
    assert alarms(kind, HEALTHY[kind], tmp_path, packs) == []
