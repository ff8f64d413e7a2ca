import json
from pathlib import Path

import pytest

from ganlab.configuration.continuing import add_recorded
from ganlab.errors import UserError


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that was started in ``home`` with relative paths."""
    folder = tmp_path / "home/out puts/9.50"
    folder.mkdir(parents=True)
    first = {"folder": str(tmp_path / "home"), "overrides": ["seed=1"]}
    last = {**first, "overrides": ["data=folder", "data.root=pics", "seed=2", "max_images=64", "outputs='out puts'"]}
    (folder / "environment.json").write_text(json.dumps([first, last]))
    (folder / "config.yaml").write_text("packs: packs\ndata: {root: pics, source: {root: pics}}\n")
    monkeypatch.chdir(tmp_path / "home")
    return folder


def test_a_run_alone_brings_the_configuration_of_its_last_start(run: Path) -> None:
    typed = ["run='9.50'", "outputs=out puts"]
    added = ["data=folder", "data.root=pics", "seed=2", "max_images=64"]
    assert add_recorded(typed)[0] == [*added, *typed]
    assert add_recorded(typed)[1] == f"recipe    that of run 9.50: {' '.join(added)}"
    longer = [*typed, "max_images=128", "logger=none", "every.log=9", "--cfg", "job"]
    assert add_recorded(longer)[0] == [*added[:-1], *longer]


def test_what_defines_a_run_is_compared_as_before(run: Path) -> None:
    for typed in (["seed=3"], ["data=folder"], ["checkpoint=a.ckpt"], ["experiment=small"], ["loggers=none"]):
        arguments = ["run='9.50'", "outputs='out puts'", *typed]
        assert add_recorded(arguments) == (arguments, "")
    for arguments in (["outputs='out puts'"], ["run=new", "outputs='out puts'"], []):
        assert add_recorded(arguments) == (arguments, "")
    for damaged in ("", "[]", "[1]", "{}", "[{}]"):
        (run / "environment.json").write_text(damaged)
        assert add_recorded(["run='9.50'", "outputs='out puts'"])[1] == ""


def test_elsewhere_its_paths_are_those_of_the_folder_it_was_started_in(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    typed = ["run='9.50'", f"outputs='{run.parent}'"]
    home = tmp_path / "home"
    places = [f"packs={home}/packs", f"data.root={home}/pics"]
    assert f"packs={home}/packs" not in add_recorded(typed)[0]  # a record does not decide where a folder is made
    (tmp_path / "home/packs").mkdir()
    assert add_recorded(typed)[0] == ["data=folder", "seed=2", "max_images=64", *places, *typed]
    assert f"packs={home}/packs" not in add_recorded([*typed, "packs=mine"])[0]


def test_moved_pictures_and_the_word_for_other_ones_may_be_typed_too(run: Path) -> None:
    typed = ["run='9.50'", "outputs=out puts", "data.root=elsewhere", "data_changed=accept"]
    assert add_recorded(typed)[0] == ["data=folder", "seed=2", "max_images=64", *typed]
    (run / "environment.json").write_text(json.dumps([{"overrides": ["seed=2", "data_changed=accept"]}]))
    assert add_recorded(typed[:2])[0] == ["seed=2", *typed[:2]]  # accepted once


def test_the_records_of_a_strangers_run_write_and_call_nothing(run: Path, tmp_path: Path) -> None:
    typed = ["run='9.50'", f"outputs='{run.parent}'"]
    record = {"overrides": ["seed=2", f"packs={tmp_path}/theirs", f"outputs={tmp_path}/theirs", "outputs=a", "run=b"]}
    (run / "environment.json").write_text(json.dumps([record]))
    assert add_recorded(typed)[0] == ["seed=2", *typed]
    home = run.parent.rename(run.parent.with_name("outputs")) / "9.50"  # also where outputs= is not typed
    assert add_recorded(typed[:1])[0] == ["seed=2", *typed[:1]]
    for option in ("hydra.callbacks.a._target_=os.abort", "hydra/launcher=basic", "+hydra.run.dir=a", "~logger", "-m",
                   "--config-dir=a", "++seed=1", "seed", "", 3):  # fmt: skip
        (home / "environment.json").write_text(json.dumps([{"overrides": ["seed=2", option]}]))
        with pytest.raises(UserError, match=r"environment\.json is refused: .* is no value of a run; set it aside"):
            add_recorded(typed[:1])


def test_a_group_that_is_typed_replaces_the_recorded_keys_below_it(run: Path) -> None:
    record = {"overrides": ["seed=2", "logger=wandb", "logger.wandb.project=mine", "every.log=9"]}
    (run / "environment.json").write_text(json.dumps([record]))
    typed = ["run='9.50'", "outputs=out puts", "logger=none"]
    assert add_recorded(typed)[0] == ["seed=2", "every.log=9", *typed]
