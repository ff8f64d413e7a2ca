from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganlab.errors import UserError
from ganlab.runs.build import build_trainer
from ganlab.runs.devices import choose_devices

TRAINER = {"accelerator": "auto", "devices": 1, "num_nodes": 1, "strategy": "auto", "plugins": None}


def on(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("gpus", "typed", "chosen"),
    [
        (0, {}, 1),
        (0, {"devices": -1}, 1),
        (0, {"devices": "auto"}, 1),
        (0, {"devices": "3", "accelerator": "cpu"}, 3),
        (4, {"devices": -1}, 4),
        (4, {"devices": "auto", "accelerator": "gpu"}, 4),
        (4, {"devices": [1, 3]}, [1, 3]),
        (4, {"devices": "0, 2"}, [0, 2]),
        (4, {"devices": 6, "accelerator": "cpu"}, 6),
        (4, {"devices": 4, "num_nodes": 2}, 4),
    ],
)
def test_devices_are_a_number_a_list_or_all(
    monkeypatch: pytest.MonkeyPatch, gpus: int, typed: dict[str, Any], chosen: int | list[int]
) -> None:
    on(monkeypatch, gpus)
    assert choose_devices(TRAINER | typed) == chosen


@pytest.mark.parametrize(
    ("gpus", "typed", "message"),
    [
        (0, {"devices": 4}, "trainer.devices=4: no GPUs are here.* or trainer.accelerator=cpu for as many processes"),
        (0, {"num_nodes": 2}, "trainer.num_nodes=2: no GPUs are here.* trainer.accelerator=cpu"),
        (0, {"devices": [0]}, r"trainer.devices=\[0\] lists GPUs, and none are here"),
        (0, {"devices": [0, 1], "accelerator": "cpu"}, r"trainer.devices=\[0,1\] lists GPUs, and none"),
        (0, {"accelerator": "gpu"}, "trainer.accelerator=gpu: there is no such device here: type .*=cpu"),
        (0, {"accelerator": "mps"}, "trainer.accelerator=mps: there is no such device here"),
        (2, {"accelerator": "mps"}, "trainer.accelerator=mps: there is no such device here"),
        (0, {"accelerator": "tpu"}, "trainer.accelerator=tpu is not supported: choose auto, cpu, gpu, cuda, mps"),
        (0, {"accelerator": None}, "trainer.accelerator=null is not supported"),
        (2, {"devices": 3}, "trainer.devices=3: 2 GPUs are here: type trainer.devices=2"),
        (1, {"devices": "2"}, "trainer.devices=2: 1 GPU is here"),
        (2, {"devices": [0, 2]}, r"trainer.devices=\[0,2\] lists GPU 2: 2 GPUs are here, numbered from 0"),
        (2, {"devices": [1, 1]}, "a list of different GPUs"),
        (2, {"devices": []}, "a list of different GPUs"),
        (2, {"devices": ["GPU-1"]}, "a list of different GPUs"),
        *(
            (gpus, {"devices": wrong}, "type how many, such as 4")
            for gpus in (0, 2)
            for wrong in (0, -2, 1.5, None, True, "all")
        ),
    ],
)
def test_what_is_not_here_is_refused(
    monkeypatch: pytest.MonkeyPatch, gpus: int, typed: dict[str, Any], message: str
) -> None:
    on(monkeypatch, gpus)
    with pytest.raises(UserError, match=message):
        choose_devices(TRAINER | typed)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("strategy", ["fsdp", "ddp_spawn", "ddp_notebook", "deepspeed", "nonsense", None, 3])
def test_there_is_one_strategy(strategy: Any, devices: int) -> None:
    options = TRAINER | {"accelerator": "cpu", "devices": devices, "strategy": strategy}
    with pytest.raises(UserError, match="trainer.strategy=.*: two players are trained in data parallel, type"):
        build_trainer({"trainer": options}, [], [])


def test_one_process_needs_no_strategy() -> None:
    strategy = build_trainer({"trainer": TRAINER | {"accelerator": "cpu", "strategy": "ddp"}}, [], []).strategy
    assert type(strategy).__name__ == "SingleDeviceStrategy"


def test_batch_norm_is_shared_by_gpus_only() -> None:
    options = TRAINER | {"accelerator": "cpu", "devices": 2, "sync_batchnorm": True}
    with pytest.raises(UserError, match="trainer.sync_batchnorm=true needs GPUs, and this is cpu"):
        build_trainer({"trainer": options}, [], [])


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("trainer.devices=4", "trainer.accelerator=cpu"),
        ("trainer.devices=[0]", "none are here"),
        ("trainer.strategy=fsdp", "trainer.strategy=auto"),
        ("trainer.num_nodes=2 trainer.accelerator=cpu", "torchrun or srun"),
        ("trainer.devices=3 trainer.accelerator=cpu data.batch_size=32", "shared evenly by 3 devices"),
        ("accumulate=5 data.batch_size=32", "accumulate=5 must divide"),
        ("machine.data_on_device=true", "needs a GPU, and this is cpu"),
        ("trainer.profiler=quick", "the trainer refuses its values"),
    ],
)
def test_devices_are_checked_before_anything_is_read_or_written(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, message: str
) -> None:
    on(monkeypatch, 0)
    missing = "data=folder", f"data.root={tmp_path}/not there", "data.image_size=32"
    outcome = command("train", "debug=smoke", "logger=none", *missing, f"outputs={tmp_path}/runs", *typed.split())
    assert outcome.code == 1 and outcome.err.startswith("error: ") and outcome.err.count("\n") == 1, outcome.err
    assert message in outcome.err and not list(tmp_path.iterdir())
