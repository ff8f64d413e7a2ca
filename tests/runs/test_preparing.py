import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.data.packs.pack import Pack
from ganlab.runs.preparing import write_sheet

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for number in range(10):
        path = root / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return root


@pytest.fixture
def prepare(command: Callable, photos: Path, tmp_path: Path) -> Callable:
    """Run prepare.py on ten photographs."""
    options = ("data=folder", f"data.root={photos}", "data.image_size=16", f"packs={tmp_path}/packs")
    return lambda *overrides: command("prepare", *options, *overrides)


def facts(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.splitlines())


def test_a_pack_is_made_shown_and_verified(prepare: Callable, photos: Path, monkeypatch) -> None:
    (photos / "cat" / "0.png").write_bytes(b"broken")
    made = prepare("data.max_broken=0.5")
    assert made.code == 0, made.err
    told = facts(made.out)
    assert told["records"].startswith("9, 0.0 MB") and told["images"] == "16x16x3 uint8"
    assert told["classes"] == "2: cat, dog; 4 to 5 pictures each" and "images/s" in told["speed"]
    assert (
        told["skipped"].startswith("1 unreadable pictures left out: 1 not a pic") and told["source"] == "folder-photos"
    )
    with Image.open(told["sheet"]) as sheet:
        assert sheet.size == (3 * 18 + 2, 3 * 18 + 2) and Path(told["sheet"]).parent == Path(told["pack"])
    shown = facts(prepare("action=show", f"pack={told['pack']}").out)
    assert shown == {name: fact for name, fact in told.items() if name not in ("speed", "sheet")}
    for word in ("action=verify", "verify=true"):
        verified = prepare(word)
        assert verified.code == 0 and "is intact: 9 records, images, labels" in verified.out
    monkeypatch.setattr("os.access", lambda *_: False)  # a folder that cannot be written
    Path(told["sheet"]).unlink()
    again = prepare("data.max_broken=0.5")
    assert again.code == 0 and facts(again.out)["speed"] == "made before"
    assert facts(again.out)["sheet"].startswith("not written") and not Path(told["sheet"]).exists()


def test_damage_is_found_and_mended(prepare: Callable) -> None:
    folder = Path(facts(prepare().out)["pack"])
    file = folder / "images.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    outcome = prepare("action=verify")
    lines = outcome.err.splitlines()
    assert outcome.code == 1 and len(lines) == 1
    assert lines[0].startswith(f"error: {folder} is damaged (images.npy has another checksum): delete this folder")
    file.write_bytes(whole[:-1])
    assert "is incomplete" in prepare("action=verify").err
    assert prepare().code == 0 and file.read_bytes() == whole


def test_nothing_is_made_where_it_is_only_to_be_shown(prepare: Callable, tmp_path: Path) -> None:
    outcome = prepare("action=show")
    assert outcome.code == 1 and "there is no pack" in outcome.err
    assert "repeat the command without action=show to make it" in outcome.err
    assert not (tmp_path / "packs").exists()
    partial = tmp_path / "packs" / (Path(facts(prepare().out)["pack"]).name + ".partial")
    partial.with_suffix("").rename(partial)
    (partial / "progress.json").write_text(json.dumps({"rows": 7}))
    assert "only the first 7 pictures of it" in prepare("action=show").err
    assert facts(prepare().out)["speed"].startswith("continued (")


def test_names_that_are_no_text_are_shown_for_all_that(prepare: Callable, photos: Path) -> None:
    try:
        (photos / "dog").rename(photos / os.fsdecode(b"do\xffg\n"))
    except OSError:
        pytest.skip("this file system wants names in UTF-8")
    outcome = prepare()
    assert outcome.code == 0, outcome.err
    assert facts(outcome.out)["classes"] == r"2: cat, do\udcffg\n; 5 to 5 pictures each"


def test_missing_data_are_fetched_by_make_alone(command: Callable, mnist_web, web, tmp_path: Path) -> None:
    options = ("data=mnist", f"data.root={tmp_path}/sets", f"packs={tmp_path}/packs")
    shown = command("prepare", *options, "action=show")
    assert (
        shown.code == 1
        and "train-images-idx3-ubyte is missing: type `" in shown.err
        and "src/prepare.py data=mnist" in shown.err
    )
    refused = command("prepare", *options, "data.download=false")
    assert refused.code == 1 and "is missing" in refused.err and not web.asked
    made = command("prepare", *options)
    assert made.code == 0 and facts(made.out)["records"].startswith("20,"), made.err
    assert len(web.asked) == 4


def test_what_is_huge_is_fetched_by_prepare_though_not_by_train(command: Callable, tmp_path: Path, monkeypatch) -> None:
    from torchvision import datasets

    monkeypatch.setattr(datasets.STL10, "url", "http://127.0.0.1:9/stl10.tar.gz")
    options = ("data=stl10", f"data.root={tmp_path}")
    trained = command("train", *options, "data.image_size=48", "logger=none", f"outputs={tmp_path}/runs", "run=huge")
    typed = f"src/prepare.py data=stl10 data.split=train data.root={tmp_path} "
    assert trained.code == 1 and typed in trained.err and " data.image_size=48" in trained.err
    prepared = command("prepare", *options)
    assert prepared.code == 1 and "http://127.0.0.1:9/stl10.tar.gz could not be fetched" in prepared.err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["action=mak"], "action=mak is not known: type one of make, show, verify"),
        (["pack=nowhere"], "pack=nowhere is made already: type action=show"),
        (["pack=nowhere", "action=show"], "there is no pack nowhere"),
        (["data=mnits"], "data=mnits does not exist: type data=mnist; choose one of celeba, cifar10"),
        (["data=stl10", "data.split=unlabelled"], "data.split=unlabelled is not in stl10: choose one of train, test, "),
        (["data=emnist", "data.part=leters"], "data.part=leters is not in emnist: choose one of balanced, byclass, "),
        (["data=celeba"], "put img_align_celeba.zip into"),
        (["data=imagenet"], "ILSVRC2012_img_train.tar"),
    ],
)
def test_mistakes_are_one_line_with_the_mend(command: Callable, overrides: list[str], message: str) -> None:
    outcome = command("prepare", *overrides)
    lines = outcome.err.splitlines()
    assert outcome.code == 1 and len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0], outcome.err


def test_inputs_lie_left_of_their_targets(tmp_path: Path) -> None:
    inputs, targets = np.full((3, 4, 4, 1), 50, np.uint8), np.full((3, 4, 4, 3), 200, np.uint8)
    masks = np.zeros((3, 4, 4), np.uint8)
    pack = Pack(tmp_path, {"count": 3}, {"inputs": inputs, "targets": targets, "masks": masks})
    with Image.open(write_sheet(pack)) as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (2 * 6 + 2, 2 * 10 + 2, 3)
    assert (pixels[2:6, 2:6] == 50).all() and (pixels[2:6, 6:10] == 200).all()


def test_the_configuration_comes_at_once() -> None:
    code = (
        "import sys, runpy; sys.argv = ['src/prepare.py', *{!r}]\n"
        "try: runpy.run_path('src/prepare.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    arguments = ["data=emnist", "data.part=letters", "--cfg=job", "--resolve"]
    command = [sys.executable, "-c", code.format(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "action: make" in done.stdout and "num_classes: 26" in done.stdout
