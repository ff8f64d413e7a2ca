"""``python src/reproduce.py``: what is listed, made, scored over several checkpoints, picked, trained and refused."""

import json
import re
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
    assert listed == [f"figure={n}" for n in range(1, 12)] + [
        f"table={n}" for n in (1, 2, 3, "baselines", "encoder", "occlusion")
    ]


@pytest.mark.parametrize("item", ITEMS)
def test_every_figure_and_table_composes_and_trains_what_exists(command: Callable, item: str) -> None:
    from hydra.utils import instantiate

    outcome = command("reproduce", item, "--cfg", "job", "--resolve")
    assert outcome.code == 0, outcome.err
    config = yaml.safe_load(outcome.out)
    kind, _, number = item.partition("=")
    made = instantiate(config[kind], _convert_="all")
    assert str(config["number"]) == number and made.title
    for role in made.needs:
        recipe = config["train"][role]
        assert not recipe or command("train", *recipe.split(), "--cfg", "job").code == 0, recipe


def test_a_figure_its_numbers_and_its_animation(command: Callable, smoke: Path, tmp_path: Path) -> None:
    smoke = Path(shutil.copytree(smoke, tmp_path / "copy"))  # other tests list what a run leaves
    checkpoint = smoke / "checkpoints" / "last.ckpt"
    outcome = command("reproduce", "figure=4", f"checkpoint=[{checkpoint},{checkpoint}]", "figure.rows=3")
    assert outcome.code == 0, outcome.err
    folder = smoke / "reproduction"
    assert {path.name for path in folder.iterdir()} == {"figure_4.png", "figure_4.gif", "figure_4.json"}
    assert f"picture: {folder / 'figure_4.gif'}" in outcome.out
    with Image.open(folder / "figure_4.png") as picture:
        assert picture.size == (2 * (10 * 34 + 2), 2 * (3 * 34 + 2))  # enlarged to be seen
    record = json.loads((folder / "figure_4.json").read_text())
    step = record["scores"]["mean_step"]
    assert len(step["each"]) == 2 and step["spread"] == 0 and step["value"] == step["each"][0]
    assert len(record["models"]) == 2 and record["differs"] and len(record["claims"]) == 1
    assert record["command"][:2] == ["python", "src/reproduce.py"] and "figure='4'" in record["command"]
    assert (record["options"]["rows"], record["data"]["name"]) == (3, "digits")
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


def test_a_page_to_draw_boxes_on(command: Callable, smoke: Path, tmp_path: Path) -> None:
    checkpoint = f"checkpoint={smoke}/checkpoints/last.ckpt"
    made = ["figure.samples=6", "figure.columns=2", "output=."]
    assert command("reproduce", "figure=6", checkpoint, "pick=windows.html", *made).code == 0
    page = (tmp_path / "windows.html").read_text()
    origin = json.loads(re.search(r'"origin": (\{.*?\})', page)[1])  # type: ignore[index]
    assert page.count("data:image/png;base64,") == 6 and origin["seed"] == 0 and "given.origin" in page
    boxes = {"boxes": {str(n): [[0.1, 0.2, 0.6, 0.7]] for n in range(4)}}
    (tmp_path / "windows.json").write_text(json.dumps(origin | boxes))
    outcome = command("reproduce", "figure=6", checkpoint, "boxes=windows.json", *made)
    assert outcome.code == 0, outcome.err
    scores = json.loads((tmp_path / "figure_6.json").read_text())["scores"]
    assert scores["samples_with_boxes"]["value"] == 4 and (tmp_path / "figure_6.png").is_file()
    outcome = command("reproduce", "figure=6", checkpoint, "boxes=windows.json", "seed=1", *made)
    assert outcome.code == 1 and "windows.json was picked on samples of seed=0: give that one" in outcome.err
    (tmp_path / "windows.json").write_text(json.dumps(origin | boxes | {"model": "00000000"}))
    outcome = command("reproduce", "figure=6", checkpoint, "boxes=windows.json", *made)
    assert outcome.code == 1 and "windows.json was picked on samples of another model" in outcome.err


def test_a_table_as_the_paper_lays_it_out(command: Callable, tmp_path: Path, idx: Callable) -> None:
    idx(tmp_path / "MNIST" / "raw", count=60)
    small = ("debug=smoke", "logger=none", "metrics=none", "max_images=32", "data.batch_size=16")
    data = ("data=mnist", f"data.root={tmp_path}", "data.image_size=32")
    for name in ("dcgan_conditional", "mlp_conditional"):
        outcome = command("train", *small, *data, f"architecture={name}", f"outputs={tmp_path}", f"run={name}")
        assert outcome.code == 0, outcome.err
    models = [f"{tmp_path}/{name}/checkpoints/last.ckpt" for name in ("dcgan_conditional", "mlp_conditional")]
    typed = ["table=3", f"checkpoint={models[0]}", f"baseline={models[1]}", *data, "output=out"]
    outcome = command("reproduce", *typed, "table.counts=[100,1000]", "table.reals=40")
    assert outcome.code == 0, outcome.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"table_3.json", "table_3.md"}
    rows = (tmp_path / "out" / "table_3.md").read_text().splitlines()
    assert rows[0].startswith("| model |") and any("1.48" in row for row in rows)
    scores = json.loads((tmp_path / "out" / "table_3.json").read_text())["scores"]
    assert {"dcgan_at_100", "dcgan_at_1000", "baseline_at_1000"} <= scores.keys()
    outcome = command("reproduce", "figure=9", *typed[1:3], *data, "output=out", "figure.rows=2", "figure.columns=3")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out" / "figure_9.png").is_file()


def test_what_is_missing_is_trained(command: Callable, smoke: Path, tmp_path: Path, packs: Path) -> None:
    recipe = "train.checkpoint=debug=smoke logger=none max_images=64"
    made = ["figure=10", "figure.rows=2", "figure.columns=2", "from_scratch=true", recipe, f"outputs={tmp_path}"]
    outcome = command("reproduce", *made, "seed=5")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "debug-smoke_logger-none_max_images-64_seed5"
    assert (run / "reproduction" / "figure_10.png").is_file() and yaml.safe_load((run / "config.yaml").read_text())
    record = json.loads((run / "reproduction" / "figure_10.json").read_text())
    assert record["scores"]["images_seen"]["value"] == 64


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["figure=4"], "checkpoint is missing: type checkpoint=RUN/checkpoints/best.ckpt, or from_scratch=true"),
        (["figure=4", "table=1"], "figure= and table= cannot be combined: type one of them"),
        (["figure=12"], "figure=12 does not exist: choose one of 1, "),
        (["figure=4", "checkpoint=a.ckpt"], "a.ckpt"),
        (["figure=9", "checkpoint=[a.ckpt,b.ckpt]", "baseline=c.ckpt"], "2 of checkpoint and 1 of baseline"),
        (["figure=10", "from_scratch=true", "train.checkpoint=null"], "there is no recipe for the checkpoint"),
        (["figure=4", "figure.how=curved", "checkpoint=SMOKE"], "how=curved is not known: choose from linear"),
        (["figure=4", "pick=page.html", "checkpoint=SMOKE"], "figure=4 leaves nothing to pick: leave out pick="),
        (["figure=7", "pick=page", "checkpoint=SMOKE"], "pick=page must end in .html"),
        (
            ["figure=7", "checkpoint=SMOKE", "classifier.images=500"],
            "the classifier does not know hair=0: choose from class",
        ),
        (["figure=5", "checkpoint=SMOKE"], "digits has no held-out images"),
        (["figure=4", "checkpoint=SMOKE", "features=inception"], "src/reproduce.py has no features=: its --help lists"),
        (
            ["table=3", "checkpoint=a.ckpt", "baseline=b.ckpt", "table.counts=[]"],
            "table.counts=[] is empty: type numbers of samples",
        ),
        (
            ["figure=6", "checkpoint=[SMOKE,SMOKE]", "boxes=b.json"],
            "boxes= belongs to the samples of one model, and 2 are",
        ),
        (["figure=4", "checkpoint=SMOKE", "output=/dev/null"], "output=/dev/null cannot be written"),
        (["figure=4", "from_scratch=true", "seeds=0"], "seeds=0 must be a whole number of at least 1"),
        (["figure=10", "checkpoint=SMOKE", "figure.rows=0"], "figure.rows=0 must be a whole number of at least 1"),
        (["figure=2", "from_scratch=true", "train.take=first"], "train.take=first does not exist: choose best or last"),
        (
            ["figure=4", "checkpoint=SMOKE", "data=scenes", "data.image_size=16", "data.count=8"],
            "last.ckpt has 32x32x1 images and data=scenes has 16x16x3: type data.image_size=32 data.channels=1",
        ),
    ],
)
def test_mistakes(command: Callable, smoke: Path, overrides: list[str], message: str) -> None:
    outcome = command("reproduce", *(each.replace("SMOKE", f"{smoke}/checkpoints/last.ckpt") for each in overrides))
    assert outcome.code == 1 and message in outcome.err and outcome.err.count("\n") == 1, outcome.err
