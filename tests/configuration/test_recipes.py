import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from ganlab.configuration.entry import CONF
from ganlab.configuration.recipes import add_recipe, expand_variants, variants_of
from ganlab.errors import UserError

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
RECIPES = {"lsun": "lsun_bedrooms", "celeba": "faces", "faces": "faces", "imagenet": "imagenet32", "svhn": "svhn",
           "facades": "facades", "pairs": "pix2pix", "domains": "cyclegan"}  # fmt: skip
VARIANTS = [
    (f"sweep={preset}", f"{key}={value}")
    for preset in ("guidelines", "objectives")
    for key, values in variants_of([f"sweep={preset}"], CONF).items()
    for value in values
]


@pytest.fixture
def hydra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GANLAB_RUN", "test")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def required(data: str) -> list[str]:
    """The overrides that a data set cannot do without."""
    return [f"data.{key}=HERE" for key, value in yaml.safe_load((CONF / f"data/{data}.yaml").read_text()).items()
            if value == "???"]  # fmt: skip


@pytest.mark.parametrize("number", range(len(EXPERIMENTS)))
def test_experiments_go_with_data_sets(hydra: None, number: int) -> None:
    experiment = EXPERIMENTS[number]
    for data in DATA[number % 4 :: 4]:
        typed = [f"data={data}", *required(data)]
        config = OmegaConf.to_container(compose("train", [f"experiment={experiment}", *typed]), resolve=True)
        assert config["experiment"] == experiment  # type: ignore[index,call-overload]
        assert config["data"]["name"] == data  # type: ignore[index,call-overload]
        assert config["max_images"] or config["max_epochs"]  # type: ignore[index,call-overload]
        assert set(config["data"]) == set(compose("prepare", typed)["data"]), data  # type: ignore[index,call-overload]


def test_what_train_yaml_says_no_recipe_changes(hydra: None) -> None:
    shared = yaml.safe_load((CONF / "train.yaml").read_text())
    groups = {key for entry in shared["defaults"] if isinstance(entry, dict) for key in entry}
    groups -= {"system", "schedule"}  # of another family
    del shared["defaults"], shared["hydra"], shared["run"], shared["name"], shared["metrics"]["best"]
    for file in (CONF / "experiment").glob("*.yaml"):
        recipe = yaml.safe_load(file.read_text())
        chosen = {key.split("/")[-1] for entry in recipe["defaults"] if isinstance(entry, dict) for key in entry}
        assert not chosen & groups, file
        twice = [(key, value) for key, value in leaves(recipe) if key in dict(leaves(shared))]
        assert not twice, file


def leaves(config: dict, prefix: str = "") -> list[tuple[str, object]]:
    found = []
    for key, value in config.items():
        found += leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return found


@pytest.mark.parametrize("data", DATA)
def test_a_data_set_brings_its_recipe(data: str) -> None:
    arguments, line = add_recipe(["seed=1", f"data={data}", "run=x"], CONF)
    if data in RECIPES:
        assert arguments == ["seed=1", f"data={data}", f"experiment={RECIPES[data]}", "run=x"]
        assert line == f"recipe    {RECIPES[data]}, named by conf/data/{data}.yaml; another one: experiment=NAME"
    else:
        assert arguments == ["seed=1", f"data={data}", "run=x"]
        assert line == "recipe    small, the default; another one: experiment=NAME"


@pytest.mark.parametrize(
    "typed",
    [
        ["data=lsun", "experiment=small"],
        ["-m", "experiment=small,paper", "data=lsun"],
        ["-m", "data=digits,lsun"],  # each job adds its own
        ["-m", "sweep=guidelines", "data=lsun"],  # the preset has one
        ["data=lsn"],
    ],
)
def test_what_is_typed_wins(typed: list[str]) -> None:
    assert add_recipe(typed, CONF) == (typed, "")


def test_the_papers_bedrooms_take_one_command(command: Callable) -> None:
    config = yaml.safe_load(command("train", "data=lsun", "trainer.devices=4", "--cfg", "job", "--resolve").out)
    assert config["experiment"] == "lsun_bedrooms" and config["trainer"]["devices"] == 4
    assert config["architecture"]["width"] == 128 and config["data"]["batch_size"] == 128
    assert config["optimizer"]["lr"] == 2e-4 and config["optimizer"]["weight_decay"] == 1e-5
    assert config["update"]["_target_"] == "ganlab.systems.update.alternating"
    assert config["data"]["deduplicate"] is True and config["data"]["classes"] == ["bedroom"]
    assert config["max_epochs"] == 5 and config["max_images"] is None
    assert config["trainer"]["sync_batchnorm"] == "auto"


def test_a_sweep_checks_each_job_with_its_own_recipe(command: Callable, tmp_path: Path) -> None:
    outcome = command("train", "-m", "data=digits,lsun", "penalty.r1.weight=1", f"outputs={tmp_path}")
    assert outcome.code == 1 and outcome.err.startswith("error: there is no key penalty.r1.weight")
    outcome = command("train", "-m", "sweep=guidelines", "guideline=paper,max_pol", "seed=0", f"outputs={tmp_path}")
    assert outcome.code == 1 and outcome.err.startswith("error: guideline=max_pol does not exist: choose one of paper")
    assert not list(tmp_path.glob("*/*.log"))


@pytest.mark.parametrize("typed", VARIANTS, ids=lambda typed: typed[1])
def test_variants_compose(hydra: None, typed: tuple[str, str]) -> None:
    arguments = expand_variants(typed, variants_of(typed, CONF))
    config = compose("train", arguments)
    key, _, value = typed[1].partition("=")
    assert config[key] == value and f"sweep={config.experiment}" == typed[0]
    for argument in arguments[2:]:
        name, _, value = argument.partition("=")
        if not (CONF / name).is_dir():
            assert OmegaConf.select(config, name) == yaml.safe_load(value)


def test_a_preset_goes_through_all_its_variants(hydra: None) -> None:
    params = compose("train", ["sweep=objectives"], return_hydra_config=True).hydra.sweeper.params
    assert params.regularization.startswith("none,batch_norm,") and params.regularization.endswith(",r1_r2,lecam")
    params = compose("train", ["sweep=guidelines"], return_hydra_config=True).hydra.sweeper.params
    assert len(params.guideline.split(",")) == 25


def test_what_is_typed_behind_a_variant_wins(hydra: None) -> None:
    typed = ["sweep=guidelines", "guideline=lr_0.001", "optimizer.lr=3e-4"]
    assert compose("train", expand_variants(typed, variants_of(typed, CONF))).optimizer.lr == 3e-4
    with pytest.raises(UserError, match="regularization=r3 does not exist: choose one of none, batch_norm"):
        expand_variants(["regularization=r3"], variants_of(["sweep=objectives"], CONF))


def write_bedrooms(folder: Path, count: int) -> None:
    """Write an LMDB folder as LSUN's, of random pictures."""
    rng = np.random.default_rng(0)
    with lmdb.open(str(folder), map_size=2**24) as environment, environment.begin(write=True) as writer:
        for number in range(count):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(file, "JPEG")
            writer.put(f"{number:040x}".encode(), file.getvalue())


def test_the_papers_bedrooms_train_and_continue_on_two_processes(tmp_path: Path) -> None:
    write_bedrooms(tmp_path / "bedroom_train_lmdb", 64)
    typed = ["data=lsun", "trainer.devices=2", "trainer.accelerator=cpu", f"data.root={tmp_path}", "run=bedrooms"]
    typed += ["data.image_size=16", "architecture.width=4", "data.batch_size=16", "metrics=none", "logger=none"]
    typed += ["data.deduplication.images=1024", "data.max_dropped=0.9"]

    def train(*length: str) -> str:
        command = [sys.executable, str(CONF.parent / "src/train.py"), *typed, *length]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    started = train("max_images=32")
    assert started.startswith("recipe    lsun_bedrooms, named by conf/data/lsun.yaml") and started.count("recipe") == 1
    assert "from outputs/bedrooms/checkpoints/last.ckpt" in train("max_images=64")
    run = tmp_path / "outputs/bedrooms"
    assert json.loads((run / "summary.json").read_text())["images_seen"] == 64
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["experiment"] == "lsun_bedrooms" and config["data"]["deduplicate"] is True
    assert config["optimizer"]["generator"]["weight_decay"] == 1e-5
    starts = json.loads((run / "environment.json").read_text())
    assert [start["overrides"][:2] for start in starts] == [["data=lsun", "experiment=lsun_bedrooms"]] * 2
