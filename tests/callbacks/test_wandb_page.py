import os
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb

from ganlab.callbacks.tracker import Tracker
from ganlab.callbacks.wandb_page import WandbPage, encodable, wandb_mode


class Service:
    """Stands in for wandb's functions; ``refuses`` are the modes in which a run is refused."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.refuses, self.logged_in, self.count = folder, set[str](), True, 0
        self.calls: list[Any] = []
        self.config, self.url = self, None
        for name in ("init", "setup", "login", "teardown"):
            monkeypatch.setattr(wandb, name, getattr(self, name))
        monkeypatch.setenv("WANDB_CACHE_DIR", str(folder))
        monkeypatch.setenv("WANDB_MODE", "online")

    def init(self, mode: str, **options: Any) -> "Service":
        self.count += 1
        recording = self.folder / f"wandb/{'offline-' if mode == 'offline' else ''}run-{self.count}-id"
        recording.mkdir(parents=True)
        (recording / "run-id.wandb").touch()
        os.utime(recording, (self.count, self.count))
        self.calls.append(("init", mode))
        if mode in self.refuses:
            raise PermissionError("permission\ndenied")
        self.url = None if mode == "offline" else "https://page"  # type: ignore[assignment]
        return self

    def login(self, **_: Any) -> bool:
        return self.logged_in

    def setup(self, _: Any) -> None: ...

    def teardown(self) -> None:
        self.calls.append("teardown")

    def update(self, config: dict[str, Any], **_: Any) -> None:
        self.calls.append(config)

    def define_metric(self, *_: Any, **__: Any) -> None: ...

    def log(self, values: dict[str, float]) -> None:
        self.calls.append(values)

    def finish(self) -> None:
        if "finish" in self.refuses:
            raise TimeoutError("Timed out finishing run.")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    return Service(tmp_path, monkeypatch)


def track(folder: Path) -> tuple[Tracker, str]:
    page = WandbPage(folder, "id", {"name": "n"}, {"lr": 1}, axis="images_seen", metrics="*")
    tracker = Tracker(page, 5)
    tracker.log_metrics({"loss": 0.5}, 64)
    place = tracker.place()
    tracker.finish()
    return tracker, place


def test_a_run_online_is_recorded_and_leaves_nothing_to_upload(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert track(tmp_path)[1] == "https://page"
    assert service.calls == [("init", "online"), {"lr": 1}, {"loss": 0.5, "trainer/global_step": 64}, "teardown"]
    assert track(tmp_path)[1] == "https://page"  # continued
    assert capsys.readouterr().err == ""


def test_a_run_that_the_server_refuses_is_recorded_offline(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.refuses = {"online"}
    place = track(tmp_path)[1]
    assert [call for call in service.calls if isinstance(call, (tuple, str))] == [
        ("init", "online"),
        "teardown",
        ("init", "offline"),
        "teardown",
    ]
    assert place == f"recorded offline; to upload: wandb sync {tmp_path}/wandb/offline-run-2-id"
    line = "warning: W&B does not take this run (PermissionError: permission denied): recording offline\n"
    assert capsys.readouterr().err == line


def test_a_continued_run_names_every_recording_that_is_not_uploaded(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.logged_in = False
    track(tmp_path)
    assert track(tmp_path)[1].endswith(f"sync {tmp_path}/wandb/offline-run-1-id {tmp_path}/wandb/offline-run-2-id")
    (tmp_path / "wandb/offline-run-1-id/run-id.wandb.synced").touch()
    service.logged_in, service.refuses = True, {"finish"}
    assert track(tmp_path)[1] == (
        f"https://page; to upload earlier parts: wandb sync {tmp_path}/wandb/offline-run-2-id"
    )
    folders = f"{tmp_path}/wandb/offline-run-2-id {tmp_path}/wandb/run-3-id"
    line = f"W&B has not received everything (TimeoutError: Timed out finishing run.); to upload: wandb sync {folders}"
    assert line in capsys.readouterr().err


def test_a_run_without_wandb_is_not_recorded(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.refuses = {"online", "offline"}
    track(tmp_path / "refused")
    assert "warning: W&B does not record this run (PermissionError: permission denied)" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert track(tmp_path)[1] == ""
    assert "warning: W&B does not record this run (ModuleNotFoundError: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "mode"),
    [("", "online"), ("Offline", "offline"), ("dryrun", "offline"), ("run", "online"), ("disabled", "disabled")],
)
def test_modes(word: str, mode: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WANDB_MODE", word)
    assert (wandb_mode(), os.environ["WANDB_MODE"]) == (mode, mode)
    assert capsys.readouterr().err == ""


def test_an_unknown_mode_records_offline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WANDB_MODE", "on")
    assert wandb_mode() == wandb_mode() == "offline"
    line = "warning: WANDB_MODE=on is not online, offline or disabled: W&B records offline\n"
    assert capsys.readouterr().err == line


def test_names_in_no_encoding_can_be_sent() -> None:
    assert encodable({"name": "caf\udce9", "tags": ["a\udcff", "é"], "lr": 1e-4}) == {
        "name": "caf?",
        "tags": ["a?", "é"],
        "lr": 1e-4,
    }


def test_a_home_that_cannot_be_written_does_not_stop_it(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "file/cache"))
    track(tmp_path)
    assert os.environ["WANDB_CACHE_DIR"] == str(tmp_path / "wandb")
    monkeypatch.setenv("WANDB_CONFIG_DIR", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, and no entry of the user in passwd
    track(tmp_path)
    assert os.environ["WANDB_CONFIG_DIR"] == str(tmp_path / "wandb")
