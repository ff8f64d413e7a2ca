"""Configurations of checkpoints are data: only what ``conf/`` names is called, with values within their limits."""

import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ganlab.configuration import CONF, recorded
from ganlab.configuration.checking import check, listed
from ganlab.errors import UserError
from ganlab.runs.build import load_system
from ganlab.runs.folder import RunFolder
from ganlab.systems.checkpoint import FORMAT, KINDS

Config = dict[str, Any]
HINGE = "ganlab.objectives.losses.Hinge"


@pytest.fixture(scope="module")
def sound() -> Config:
    """The configuration of a run as its checkpoints hold it."""
    with pytest.MonkeyPatch.context() as patch, initialize_config_dir(str(CONF), version_base="1.3"):
        patch.setenv("GANLAB_RUN", "run")
        return check(compose("train", ["data=lsun", "augment=[diffaugment,adaptive]", "schedule=cosine",
                                       "schedule.until=9", "regularizer=orthogonal"]))  # fmt: skip


def put(config: Config, key: str, value: Any) -> Config:
    """A copy with another value at a dotted key; a number is a place in a list."""
    config = deepcopy(config)
    *path, last = key.split(".")
    node: Any = config
    for name in path:
        node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
    node[last] = value
    return config


def cyclic() -> Config:
    node: Config = {}
    node["again"] = node
    return node


def doubled() -> list:
    """2**40 values in 40 lists."""
    values: list = ["x"]
    for _ in range(40):
        values = [values, values]
    return values


SOUND = {"format": FORMAT} | {name: kind() for name, kind in KINDS.items()}  # a checkpoint but for its configuration
HOSTILE: list[tuple[str, Any, str]] = [
    # what is called
    ("objective", {"_target_": "os.system", "command": "id"}, "objective._target_=os.system is no class that conf/obj"),
    ("objective", {"_target_": "ganlab.sweeps.job.Attempt", "command": ["sh"]}, "ganlab.sweeps.job.Attempt is no"),
    ("objective", {"_target_": "ganlab.files.write_text_atomically", "path": "x"}, "write_text_atomically is no class"),
    ("objective", {"_target_": "ganlab.runs.build.subprocess.run", "args": "id"}, "subprocess.run is no class"),
    ("objective", {"_target_": "ganlab.data.sources.lsun.LSUN", "root": "/tmp"}, "LSUN is no class that conf/obj"),
    ("objective", {"_target_": "lightning.Trainer", "default_root_dir": "x"}, "lightning.Trainer is no class"),
    ("schedule", {"_target_": "hydra_plugins.process_launcher.ProcessLauncher"}, "ProcessLauncher is no class"),
    ("update", {"_target_": "builtins.eval", "expression": "1"}, "update._target_=builtins.eval is no class"),
    ("system._target_", "ganlab.systems.adversarial.AdversarialSystem", "AdversarialSystem is no class that conf/sys"),
    ("system._target_", {"_target_": HINGE}, "system._target_="),
    ("optimizer.generator._target_", "torch.optim.swa_utils.AveragedModel", "AveragedModel is no class"),
    ("optimizer.generator._target_", "torch.optim.lr_scheduler.LambdaLR", "LambdaLR is no class"),
    ("optimizer.generator._target_", "torch.optim.os.system", "torch.optim.os.system is no class"),
    ("data.source._target_", "ganlab.data.packs.pack.build", "ganlab.data.packs.pack.build is no class"),
    # containers and Hydra's own keys
    ("optimizer.betas", [0.5, {"_target_": "os.system"}], "optimizer.betas.1._target_=os.system is not taken"),
    ("optimizer.betas", (0.5, {"_target_": "os.system"}), "optimizer.betas is a tuple"),
    ("augment.list", [[[{"deep": {"_target_": "os.system"}}]]], "_target_=os.system is not taken from a file"),
    ("objective._args_", ["/tmp/file"], "objective._args_=['/tmp/file'] is not taken from a file"),
    ("objective._recursive_", False, "objective._recursive_=False is not taken"),
    ("objective._convert_", "object", "objective._convert_=object is not taken"),
    ("objective._partial_", True, "objective._partial_=True is not taken"),
    ("optimizer.generator._partial_", False, "optimizer.generator._partial_=False is not taken"),
    ("anything", cyclic(), "lies too deep"),
    ("anything", doubled(), "anything"),
    ("anything", list(range(20_000)), "too many values"),
    ("anything", torch.zeros(1), "anything is a Tensor"),
    ("anything", b"bytes", "anything is a bytes"),
    ("anything", {(1, 2): 3}, "(1, 2) is no key"),
    # interpolations
    ("data.root", "${oc.env:HOME}", "data.root=${oc.env:HOME} is an interpolation"),
    ("optimizer.lr", "${seed}", "optimizer.lr=${seed} is an interpolation"),
    ("architecture.generator.prior", "a${oc.decode:x}", "is an interpolation"),
    # arguments
    ("objective.command", "id", "objective.command is unknown to ganlab.objectives.losses"),
    ("system.stages", {"_target_": HINGE}, "system.stages is unknown to ganlab.systems.gan.GAN"),
    ("system.seed", 3, "system.seed is unknown to ganlab.systems.gan.GAN"),
    ("system.generator", "x", "system.generator is unknown"),
    ("optimizer.generator.foreach", "/etc/passwd", "optimizer.generator.foreach=/etc/passwd must be true or false"),
    ("optimizer.generator.hook", "x", "optimizer.generator.hook is unknown to torch.optim.Adam"),
    ("optimizer.generator.betas", "/dev/zero", "optimizer.generator.betas=/dev/zero must be a list"),
    ("objective.targets", "x", "objective.targets=x must be a Targets"),
    ("objective.targets", {"_target_": "ganlab.objectives.losses.NonSaturating"}, "is no argument of"),
    ("architecture.generator.width", "/etc/passwd", "architecture.generator.width=/etc/passwd must be a whole number"),
    ("architecture.generator.width", 10**30, "must be below 2**63"),
    ("architecture.generator.prior", "../../normal", "architecture.generator.prior=../../normal is a path"),
    ("architecture.generator.hidden_layers", 10**9, "must be a whole number"),
    ("update.d_steps", 10**12, "update.d_steps=1000000000000 must be a whole number"),
    ("penalty.r1.weight", float("nan"), "penalty.r1.weight=nan must be a number"),
    ("machine.compile", "/tmp/backend.py", "machine.compile=/tmp/backend.py must be auto or none"),
    ("seed", "0; id", "seed=0; id must be a whole number"),
    ("data.workers", 10**6, "data.workers=1000000 must be a whole number"),
]  # fmt: skip


def test_what_the_project_saves_is_taken(sound: Config) -> None:
    taken = recorded.take(sound, "last.ckpt")
    assert taken == sound and taken is not sound and taken["data"] is not sound["data"]


@pytest.mark.parametrize(("key", "value", "reason"), HOSTILE, ids=[f"{i}-{case[0]}" for i, case in enumerate(HOSTILE)])
def test_a_hostile_configuration_is_refused_in_one_line(sound: Config, key: str, value: Any, reason: str) -> None:
    with pytest.raises(UserError) as error:
        recorded.take(put(sound, key, value), Path("last.ckpt"))
    assert str(error.value).startswith("last.ckpt is refused: in its configuration ") and len(str(error.value)) < 400
    assert reason in str(error.value)


@pytest.mark.parametrize("config", [None, [], "objective", {}, {"objective": {}}, {"data": None}])
def test_a_configuration_without_its_keys_builds_nothing(config: Any, tmp_path: Path) -> None:
    torch.save(SOUND | {"config": config}, tmp_path / "last.ckpt")
    with pytest.raises(
        UserError, match=r"last.ckpt (is refused|cannot be built|is not a sound checkpoint: its config)"
    ):
        load_system(tmp_path / "last.ckpt")


def test_no_file_decides_where_something_is_written(sound: Config) -> None:
    hostile = sound | {"outputs": "/tmp/elsewhere", "packs": "/tmp/elsewhere", "checkpoint": "/etc/passwd"}
    hostile = put(hostile, "data.source", sound["data"]["source"] | {"root": "/tmp/elsewhere", "download": True})
    taken = recorded.take(hostile, "last.ckpt")
    assert (taken["outputs"], taken["packs"]) == ("outputs", "packs")
    assert taken["data"]["source"]["download"] is False
    usual = put(sound, "data.source", sound["data"]["source"] | {"root": "datasets", "download": True})
    assert recorded.take(usual, "last.ckpt")["data"]["source"]["download"] is True


def test_a_run_neither_starts_from_a_hostile_file_nor_continues_from_one(sound: Config, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    state = SOUND | {"config": put(sound, "objective._target_", "os.system")}
    torch.save(state, tmp_path / "evil.ckpt")
    with pytest.raises(UserError, match=r"evil.ckpt is refused: in its configuration objective._target_=os.system"):
        folder.start(sound, str(tmp_path / "evil.ckpt"))
    folder.checkpoints.mkdir(parents=True)
    torch.save(state, folder.checkpoints / "last.ckpt")
    with pytest.raises(UserError, match=r"last.ckpt is refused: in its configuration objective._target_=os.system"):
        folder.start(sound, None)


def test_pytorchs_other_optimisers_may_be_typed(sound: Config) -> None:
    typed = put(sound, "optimizer.generator", {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-3})
    assert recorded.take(typed, "last.ckpt") == typed == check(OmegaConf.create(typed))


def test_a_file_that_is_added_to_conf_is_enough(sound: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = put(sound, "objective", {"_target_": "own_module.Own", "strength": 2.0})
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "own_module.py").write_text("class Own:\n    def __init__(self, strength): pass\n")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    conf = shutil.copytree(CONF, tmp_path / "conf")
    (conf / "objective" / "own.yaml").write_text("_target_: own_module.Own\nstrength: 1.0\n")
    known = listed(conf=conf)
    assert not list(recorded.reasons(own, known))
    assert list(recorded.reasons(put(own, "objective.other", 1), known)) == [
        "objective.other is unknown to own_module.Own"
    ]
    assert list(recorded.reasons(put(own, "objective.strength", "/etc/passwd"), known))
