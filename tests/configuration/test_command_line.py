from pathlib import Path

import pytest

from ganlab.configuration.command_line import check_overrides, explain
from ganlab.configuration.entry import CONF
from ganlab.configuration.suggestions import CHOICES, KEYS, known_keys, option, options, unknown_key
from ganlab.errors import UserError

ENTRIES = [file.stem for file in CONF.glob("*.yaml")]


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("train", "seed = 3", "type seed=3"),
        ("train", "max_epochs= 3 seed=1", "type max_epochs=3"),
        ("train", "max_epochs =3", "type max_epochs=3"),
        ("evaluate", "metrics=[swd, ssim , kid] seed=1", "type 'metrics=[swd,ssim,kid]'"),
        ("train", "-m architecture.width=8, 16", "type architecture.width=8,16"),
        ("train", "data.root=holiday pictures", "type 'data.root=holiday pictures'"),
        ("train", "--batch-size 8", "--batch-size is no option here: type data.batch_size=8"),
        ("train", "--seed=8", "type seed=8"),
        ("train", "--dataset lsun seed=1", "type data=lsun"),
        ("train", "--no-cuda", "type trainer.accelerator=cpu"),
        ("train", "--resume", "type run=NAME"),
        ("train", "--resume old/runs/seven/checkpoints/last.ckpt", "type outputs=old/runs run=seven"),
        ("train", "--amp", "type trainer.precision=bf16-mixed"),
        ("sample", "-n 9", "type count=9"),
        ("train", "--colour", "type key=value without dashes"),
        ("train", "svhn", "svhn has no key: type data=svhn or experiment=svhn"),
        ("train", "accumulate", "accumulate has no value: type accumulate=VALUE"),
        ("prepare", "data:mnist", "type data=mnist"),
        ("train", "nonsense", "nonsense has no key: type key=value"),
        ("train", "=3", "=3 has no key"),
        ("train", "max_images=2.5M", "type max_images=2500000"),
        ("train", "max_images=20,000", "type max_images=20000"),
        ("train", "seed=2..5", "type -m 'seed=range(2,6)'"),
        ("train", "--cfg everything", "invalid choice: 'everything'"),
        ("sample", "-m seed=1,2", "-m is an option of src/train.py alone"),
        ("train", "optimizer.lr=0,001", "optimizer.lr=0,001: type optimizer.lr=0.001"),
        ("train", "optimizer.eps=1e-8,", "ends in a comma: type optimizer.eps=1e-8"),
        ("train", "architecture=mlp,", "ends in a comma: type architecture=mlp"),
        ("train", "seed=1\r", "ends in a carriage return"),
        ("train", "seed=1  run=a", "an argument is empty"),
        ("train", "seed=1 -m --cfg job", "--multirun and --cfg exclude each other: leave out one"),
        ("train", "--resolve seed=1", "--resolve belongs to --cfg job"),
        ("train", "--experimental-rerun job.pickle", "type run=NAME, that of the run to continue"),
        ("train", "-sc", "--shell-completion needs one of install=bash"),
        ("evaluate", "one.ckpt checkpoint=two.ckpt", "checkpoint= is given twice: leave out one.ckpt"),
    ],
)
def test_what_was_meant_is_named(name: str, typed: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        check_overrides(typed.split(" "), CONF, name)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "typed", "passed"),
    [
        ("evaluate", ["r/checkpoints/best.ckpt", "seed=1"], ["seed=1", "checkpoint=r/checkpoints/best.ckpt"]),
        ("evaluate", ["a,1.ckpt", "b (2).ckpt"], ["checkpoint=['a,1.ckpt','b (2).ckpt']"]),
        ("reproduce", ["figure=4", "weights.npz"], ["figure='4'", "checkpoint=weights.npz"]),
        ("sample", ["1=2.ckpt"], ["1=2.ckpt"]),  # a key, as far as can be seen
        ("train", ["+seed=1", "run=07", "--info", "defaults"], ["--info", "defaults", "seed=1", "run='07'"]),
        ("train", ["seed=1", "-m", "optimizer.lr=1,2"], ["-m", "seed=1", "optimizer.lr=1,2"]),
        ("train", ["-m", "max_images=20,000"], ["-m", "max_images=20,000"]),
        ("train", ["penalty=[r1,false]", "-cd", "more"], ["-cd", "more", "penalty=[r1,'false']"]),
    ],
)
def test_what_hydra_is_given(name: str, typed: list[str], passed: list[str]) -> None:
    assert check_overrides(typed, CONF, name) == passed
    assert check_overrides(passed, CONF, name) == passed  # as ranks and jobs repeat it


def test_a_folder_is_a_checkpoint_to_measure_and_data_to_train_on(tmp_path: Path) -> None:
    assert check_overrides([str(tmp_path)], CONF, "evaluate") == [f"checkpoint={tmp_path}"]
    with pytest.raises(UserError, match=f"type data=folder data.root={tmp_path}$"):
        check_overrides([str(tmp_path)], CONF, "train")
    assert option("data", f"{tmp_path}/a b", CONF).endswith(f"type data=folder 'data.root={tmp_path}/a b'")


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        ("train", "g_lr", "1e-3", "type optimizer.generator.lr=1e-3"),
        ("train", "nz", "64", "type architecture.latent_size=64"),
        ("train", "use_wandb", "0", "type logger=none"),
        ("train", "tensorboard", "on", "type logger=tensorboard"),
        ("train", "device", "cuda:3", "type trainer.accelerator=gpu 'trainer.devices=[3]'"),
        ("sample", "gpu", "true", "type device=cuda"),
        ("evaluate", "n_samples", "50", "type count=50"),
        ("sample", "run", "my run", "type 'checkpoint=outputs/my run/checkpoints/best.ckpt'"),
        ("train", "results_dir", "x", "type outputs=x"),
        ("sample", "results_dir", "x", "type output=x"),
        ("train", "wandb.entity", "me", "did you mean logger.wandb.entity?"),
        ("train", "data.batchsize", "2", "did you mean data.batch_size"),
        ("train", "Accumulate", "2", "did you mean accumulate"),
        ("train", "data.root", "my pics", "type data=folder 'data.root=my pics'"),
        ("train", "CUDA_VISIBLE_DEVICES", "0", "type CUDA_VISIBLE_DEVICES=0 in front of the command"),
        ("train", "statistics", "batch", "the groups that it has; statistics= belongs to src/sample.py"),
        ("sample", "objective", "hinge", "objective= belongs to src/train.py"),
    ],
)
def test_unknown_keys(name: str, key: str, value: str, words: str) -> None:
    assert words in unknown_key(key, value, CONF, name)


@pytest.mark.parametrize(
    ("group", "typed", "meant"),
    [
        ("objective", "LSGAN", "least_squares"),
        ("objective", "hing", "hinge"),
        ("data", "Fashion-MNIST", "fashion_mnist"),
        ("logger", "disabled", "none"),
        ("penalty", "wgan-gp", "gradient_penalty"),
    ],
)
def test_options_by_other_names(group: str, typed: str, meant: str) -> None:
    assert option(group, typed, CONF).startswith(
        f"{group}={typed} does not exist: type {group}={meant}; choose one of "
    )


def test_several_values_are_a_list_or_a_sweep() -> None:
    for key, first in (("metrics", "'metrics=[a,b]' for a list"), ("seed", "-m seed=a,b for a run of each")):
        line = explain(ValueError(f"Ambiguous value for argument '{key}=a,b'\n1. To"), CONF, "train", [])
        assert line.startswith(f"{key} has several values: type {first} or ")
    line = explain(ValueError("Ambiguous value for argument 'figure='4','5''\n1. To"), CONF, "reproduce", [])
    assert line == "figure has several values: type one, and start src/reproduce.py for each"


def test_the_checkpoint_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    with pytest.raises(UserError, match=f"{tmp_path} is a folder: type checkpoint={tmp_path}/checkpoints/last.ckpt$"):
        check_overrides([str(tmp_path)], CONF, "sample")


def test_every_suggestion_exists() -> None:
    for meant in KEYS:
        keys = [part.partition("=")[0] for part in meant.partition(",")[0].split()]
        assert any(all(key in known_keys(CONF, name) for key in keys) for name in ENTRIES), meant
    names = {name for group in CONF.rglob("*") if group.is_dir() for name in options(group)}
    assert {meant.split()[0] for _, meant in CHOICES} <= names
