import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganlab.configuration import entry
from ganlab.configuration.command_line import REFUSED

ROOT = Path(__file__).parents[2]
GROUPS = [
    *["system", "architecture", "objective", "penalty", "augment", "optimizer", "update", "data", "metrics"],
    *["features", "trainer", "logger", "experiment", "sweep", "debug"],
]


def real(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120)


def test_help_names_every_group_and_its_choices() -> None:
    text = real("src/train.py", "--help").stdout
    for group in GROUPS:
        names = sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))
        assert f"{group}: {', '.join(names)}" in text


def test_help_configuration_and_mistakes_come_without_torch() -> None:
    code = (
        "import sys, runpy; sys.argv = ['src/train.py', {!r}]\n"
        "try: runpy.run_path('src/train.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules and 'numpy' not in sys.modules"
    )
    for argument in ("--help", "--cfg=job", "optimizer.lrr=1"):
        done = real("-c", code.format(argument))
        assert done.returncode == 0, done.stderr


def test_the_papers_recipe_says_what_the_paper_says(command: Callable) -> None:
    config = yaml.safe_load(command("train", "experiment=lsun_bedrooms", "--cfg", "job", "--resolve").out)
    assert config["architecture"]["width"] == 128 and config["architecture"]["kernel"] == 5
    assert config["data"]["batch_size"] == 128 and config["data"]["classes"] == ["bedroom"]
    assert config["optimizer"]["generator"] == config["optimizer"]["discriminator"]
    adam = config["optimizer"]["generator"]
    assert (adam["lr"], adam["betas"], adam["eps"], adam["weight_decay"]) == (2e-4, [0.5, 0.999], 1e-8, 1e-5)
    assert config["update"]["_target_"] == "ganlab.systems.update.alternating"
    assert config["ema"]["half_life"] == 0 and config["max_epochs"] == 5 and config["max_images"] is None


def test_every_configuration_file_begins_with_its_command() -> None:
    for path in (ROOT / "conf").rglob("*.yaml"):
        lines = path.read_text().splitlines()
        assert any(line.startswith("# python src/") for line in lines[:2]), path


def test_the_trainers_keys_are_lightnings() -> None:
    from lightning import Trainer

    known = set(signature(Trainer).parameters)
    offered = set(yaml.safe_load((ROOT / "conf/trainer/default.yaml").read_text())) - {"_target_"}
    assert offered <= known
    assert {key.removeprefix("trainer.") for key in REFUSED} <= known - offered


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=lsn"], "data=lsn does not exist: type data=lsun; choose one of celeba, cifar10"),
        (["sed=1"], "there is no key sed: did you mean seed"),
        (["+sed=1"], "there is no key sed: did you mean seed"),
        (["++optimizer.learning_rate=1"], "there is no key optimizer.learning_rate"),
        (["optimiser=adam"], "there is no key optimiser: did you mean optimizer"),
        (["+new=1"], "there is no key new"),
        (["~metrics"], "metrics=none"),
        (["experiment=null"], "type one of cifar10_features, colourise, "),
        (["penalty=false"], "penalty=false does not exist: type penalty=none"),
        (["metrics=true"], "metrics=true does not exist: "),
        (["augment=0.5"], "augment=0.5 does not exist: choose one of adaptive, "),
        (["metrics=[swd,3]"], "metrics=3 does not exist: choose one of "),
        (["optimizer=[]"], "optimizer=[] chooses nothing: type one of "),
        (["update=2"], "update=2 does not exist: choose one of "),
        (["architecture/generator=false"], "does not exist: choose one of context_encoder, "),
        (["experiment=none"], "experiment=none is now experiment=paper"),
        (["guideline=max_pool"], "it belongs to sweep=guidelines"),
        (["trainer.max_steps=5"], "type max_images= instead"),
        (["trainer.max_epochs=5"], "type max_epochs= instead"),
        (["+trainer.accumulate_grad_batches=2"], "type accumulate= instead"),
        (["trainer.gradient_clip_val=1"], "type optimizer.clip_norm= instead"),
        (["data=folder"], "data.root is missing: type data.root=..."),
        (["data=folder", "data.root=nowhere"], "nowhere"),
        (["data=lsun", "trainer.devices=4", "trainer.accelerator=cpu"], "bedroom_train_lmdb"),
        (["optimizer.lr=fast"], "optimizer.lr=fast must be a number"),
        (["data.batch_size=0"], "data.batch_size=0 must be a whole number of at least 1"),
        (["data.batch_size=4000"], "larger than the data"),
        (["data.batch_size=10", "accumulate=3"], "accumulate=3 must divide the 10 images"),
        (["optimizer.betas=[0.5]"], "optimizer.generator cannot be made"),
        (["optimizer.betas=[{_target_:os.system}]"], "os.system is refused"),
        (["penalty.r1.interval=0"], "penalty.r1.interval=0 must be a whole number"),
        (["run=a/b"], "is not a name"),
        (["trainer.deterministic=perhaps"], "must be true or false"),
        (["update=simultaneous", "update.d_steps=2"], "it belongs to update="),
        (["data.image_size=30"], "image size 30 cannot be made"),
        (["architecture.prior=cauchy"], "prior 'cauchy' does not exist"),
        (["trainer.max_time=00:00:01:00"], "type max_images= instead"),
        (["update.d_steps=0"], "update.d_steps=0 must be a whole number from 1 to 10000"),
        (["trainer.devices=many"], "trainer.devices=many: type how many"),
        (["metrics.swd.patches=few"], "metrics.swd.patches=few must be a whole number"),
        (["trainer.accelerator=gpu"], "type trainer.accelerator=cpu"),
        (["trainer.precision=16-mixed"], "choose 32-true or bf16-mixed"),
        (["features=inception", "features.weights=nothing.pth"], "nothing.pth"),
        (["metrics.best=beauty"], "metrics.best=beauty is not measured"),
        (["checkpoint=nothing.ckpt"], "there is no checkpoint nothing.ckpt"),
        (["checkpoint=https://example.org/last.ckpt"], "download the file"),
        (["objective._target_=os.system"], "os.system is refused"),
        (["max_images=1_000", "optimizer.lr=[1"], "optimizer.lr=[1"),
    ],
)
def test_mistakes_are_one_line_with_the_mend(
    command: Callable, tmp_path: Path, overrides: list[str], message: str
) -> None:
    name = [] if any(override.startswith("run=") for override in overrides) else ["run=mistaken"]
    outcome = command("train", *overrides, "logger=none", f"outputs={tmp_path}/runs", *name)
    assert outcome.code == 1
    lines = [line for line in outcome.err.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0], outcome.err
    assert not (tmp_path / "runs/mistaken").exists()


def test_the_private_method_that_help_replaces_is_there() -> None:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    names = list(signature(ConfigLoaderImpl.get_group_options).parameters)
    assert names[:3] == ["self", "group_name", "results_filter"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/a"), "runs/a: No space left on device: make room"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system: change its permissions"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), "a/b: Not a directory: move what stands there"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), "x: File name too long: type a shorter name"),
        (PermissionError(errno.EACCES, "Permission denied", "a\nb"), r"a\nb: Permission denied"),
        (TimeoutError(), "TimeoutError"),
        (OSError("libfoo.so: cannot open\nshared object"), r"libfoo.so: cannot open\nshared object"),
    ],
)
def test_what_the_system_refuses_is_one_line(error: OSError, line: str) -> None:
    assert line in (found := entry.message(error, "train")) and "\n" not in found


def test_every_error_of_the_system_ends_at_the_door(command: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = stopped(command, monkeypatch, "prepare", OSError(errno.ENOSPC, "No space left on device", "packs/a"))
    line = "error: packs/a: No space left on device: make room, and give the same command again\n"
    assert outcome.code == 1 and outcome.err == line


def replaced(exception: BaseException, cause: BaseException) -> BaseException:
    exception.__context__ = cause
    return exception


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        replaced(ImportError("KeyboardInterrupt: "), KeyboardInterrupt()),  # as compiled modules raise
        replaced(SystemExit(1), KeyboardInterrupt()),  # as Lightning ends
    ],
)
def test_ctrl_c_is_one_line(command: Callable, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    for name in ("train", "reproduce"):
        outcome = stopped(command, monkeypatch, name, error)
        assert outcome.code == 130 and outcome.err == "interrupted\n"


def test_ctrl_c_that_an_import_swallowed_is_one_line(command: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def swallow(*_: object) -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RecursionError

    monkeypatch.setattr(entry, "check_reached", swallow)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    try:
        outcome = command("train")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert outcome.code == 130 and outcome.err == "interrupted\n"


def test_closed_streams_do_not_matter() -> None:
    code = "import os, runpy, sys; sys.argv[1:] = ['--cfg', 'job']; sys.stdout = sys.stderr = None; "
    assert real("-c", code + "runpy.run_path('src/train.py', run_name='__main__')").returncode == 0


def stopped(command: Callable, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> Any:
    """Run a command in which an exception is raised as soon as its configuration is composed."""

    def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr(entry, "check_reached", stop)
    return command(name)


def test_ctrl_c_while_hydra_is_imported_is_one_line() -> None:
    code = (
        "import sys, runpy\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'hydra._internal': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "runpy.run_path('src/train.py', run_name='__main__')"
    )
    done = real("-c", code)
    assert done.returncode == 130 and done.stderr == "interrupted\n"
