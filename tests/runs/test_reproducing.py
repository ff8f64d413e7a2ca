"""``python src/reproduce.py``: what is listed, made, scored over several checkpoints, picked, trained and refused."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parents[2]
ITEMS = [f"{kind}={path.stem}" for kind in ("figure", "table") for path in (ROOT / "conf" / kind).glob("*.yaml")]


def test_every_figure_and_table_is_listed_without_torch() -> None:
    code = (
        "import sys, runpy; sys.argv = ['src/reproduce.py']\n"
        "runpy.run_path('src/reproduce.py', run_name='__main__')\n"
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    listed = [line.split()[1] for line in done.stdout.splitlines() if "figure=" in line or "table=" in line][1:]
    assert listed == [f"figure={n}" for n in range(1, 12)] + [f"table={n}" for n in range(1, 4)]


@pytest.mark.parametrize("item", ITEMS)
def test_every_figure_and_table_composes_and_trains_what_exists(command: Callable, item: str) -> None:
    from hydra.utils import instantiate

    outcome = command("reproduce", item, "--cfg", "job", "--resolve")
    assert outcome.code == 0, outcome.err
    config = yaml.safe_load(outcome.out)
    kind, _, number = item.partition("=")
    made = instantiate(config[kind], _convert_="all")
    assert config["number"] == int(number) and made.title
    for role in made.needs:
        recipe = config["train"][role]
        assert command("train", *recipe.split(), "--cfg", "job").code == 0, recipe


def test_a_figure_its_numbers_and_its_animation(command: Callable, smoke: Path, tmp_path: Path) -> None:
    smoke = Path(shutil.copytree(smoke, tmp_path / "copy"))  # other tests list what a run leaves
    checkpoint = smoke / "checkpoints" / "last.ckpt"
    outcome = command("reproduce", "figure=4", f"checkpoint=[{checkpoint},{checkpoint}]", "figure.rows=3")
    assert outcome.code == 0, outcome.err
    folder = smoke / "reproduction"
    assert {path.name for path in folder.iterdir()} == {"figure_4.png", "figure_4.gif", "figure_4.json"}
    with Image.open(folder / "figure_4.png") as picture:
        assert picture.size == (10 * 34 + 2, 3 * 34 + 2)
    record = json.loads((folder / "figure_4.json").read_text())
    step = record["scores"]["mean_step"]
    assert len(step["each"]) == 2 and step["spread"] == 0 and step["value"] == step["each"][0]
    assert len(record["models"]) == 2 and record["differs"] and len(record["claims"]) == 1
    assert "largest_step" in outcome.out and f"numbers: {folder / 'figure_4.json'}" in outcome.out


def test_the_generator_of_a_configuration(command: Callable, tmp_path: Path) -> None:
    outcome = command("reproduce", "figure=1", "architecture.width=16", f"output={tmp_path / 'drawn'}")
    assert outcome.code == 0, outcome.err
    assert "128x4x4, 64x8x8, 32x16x16, 16x32x32, 3x64x64" in outcome.out
    assert (tmp_path / "drawn" / "figure_1.png").is_file()


def test_a_page_to_pick_from(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = smoke / "checkpoints" / "last.ckpt"
    outcome = command("reproduce", "figure=7", f"checkpoint={checkpoint}", "pick=faces.html")
    assert outcome.code == 0, outcome.err
    page = (tmp_path / "faces.html").read_text()
    assert page.count("data:image/png;base64,") == 144 and '"concepts": ["first", "second", "third"]' in page
    with np.load(tmp_path / "faces.npz") as sheet:
        assert sheet["latents"].shape == (144, 100) and sheet["columns"] == 12
    chosen = {name: [[1, 2], [3, 4], [5, 6]] for name in ("first", "second", "third")}
    (tmp_path / "faces.json").write_text(json.dumps({"latents": "faces.npz", "exemplars": chosen}))
    made = ["exemplars=faces.json", "output=."]  # not scored: the digits' labels know nothing of hair
    assert command("reproduce", "figure=7", f"checkpoint={checkpoint}", *made).code == 0
    assert (tmp_path / "figure_7.png").is_file()


def test_what_is_missing_is_trained(command: Callable, smoke: Path, tmp_path: Path, packs: Path) -> None:
    recipe = "train.checkpoint=debug=smoke logger=none max_images=64"
    made = ["figure=10", "figure.rows=2", "figure.columns=2", "from_scratch=true", recipe, f"outputs={tmp_path}"]
    outcome = command("reproduce", *made, "seed=5")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "figure_10_checkpoint_seed5"
    assert (run / "reproduction" / "figure_10.png").is_file() and yaml.safe_load((run / "config.yaml").read_text())
    record = json.loads((run / "reproduction" / "figure_10.json").read_text())
    assert record["scores"]["images_seen"]["value"] == 64


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["figure=4"], "checkpoint is missing: type checkpoint=RUN/checkpoints/best.ckpt, or from_scratch=true"),
        (["figure=4", "table=1"], "figure= and table= are two things to make: type one of them"),
        (["figure=12"], "figure=12 does not exist: choose one of 1, "),
        (["figure=4", "checkpoint=a.ckpt"], "a.ckpt"),
        (["figure=9", "checkpoint=[a.ckpt,b.ckpt]", "baseline=c.ckpt"], "2 of checkpoint and 1 of baseline"),
        (["figure=10", "from_scratch=true", "train.checkpoint=null"], "there is no recipe for the checkpoint"),
        (["figure=4", "figure.how=curved", "checkpoint=SMOKE"], "how=curved is not known: choose from linear"),
        (["figure=4", "pick=page.html", "checkpoint=SMOKE"], "figure=4 leaves nothing to pick: leave out pick="),
        (["figure=7", "pick=page", "checkpoint=SMOKE"], "pick=page must end in .html"),
        (
            ["figure=7", "checkpoint=SMOKE", "features.classifier.images=500"],
            "hair=0 is nothing that the classifier tells",
        ),
        (["figure=5", "checkpoint=SMOKE"], "digits has no images held out"),
    ],
)
def test_mistakes(command: Callable, smoke: Path, overrides: list[str], message: str) -> None:
    outcome = command("reproduce", *(each.replace("SMOKE", f"{smoke}/checkpoints/last.ckpt") for each in overrides))
    assert outcome.code == 1 and message in outcome.err and outcome.err.count("\n") == 1, outcome.err
