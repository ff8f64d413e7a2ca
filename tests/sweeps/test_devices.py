"""Devices of a sweep: which are found, which are refused, who gets which."""

import subprocess

import pytest

from ganlab.errors import UserError
from ganlab.sweeps.devices import DevicePool

NVIDIA_SMI = """GPU 0: NVIDIA H200 (UUID: GPU-0b1c)
  MIG 1g.18gb     Device  0: (UUID: MIG-77aa)
GPU 1: NVIDIA H200 (UUID: GPU-9f3e)
"""


@pytest.fixture(autouse=True)
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5,7")


def test_gpus_are_those_that_the_environment_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert DevicePool().gpus == ["2", "3", "5", "7"]
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert DevicePool().gpus == []


def test_gpus_are_asked_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    answer = subprocess.CompletedProcess([], 0, stdout=NVIDIA_SMI)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert DevicePool().gpus == ["0", "1"]


def test_no_driver_means_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", "")
    assert DevicePool().gpus == []


@pytest.mark.parametrize("asked", [2, "0,1", [], [2, 2]])
def test_a_list_of_different_ids_is_wanted(asked: object) -> None:
    with pytest.raises(UserError, match=r"type a list of different GPU ids"):
        DevicePool(asked)


def test_an_invisible_gpu_is_refused() -> None:
    with pytest.raises(UserError, match=r"names GPU 0, but only 2, 3, 5, 7 can be seen here"):
        DevicePool([0, 2])
    assert DevicePool([7, "GPU-9f3e"]).gpus == ["7", "GPU-9f3e"]


@pytest.mark.parametrize(
    ("accelerator", "devices", "gpus"),
    [("auto", 1, 1), ("gpu", "2", 2), ("auto", "auto", 1), ("cuda", -1, 1), ("cpu", 2, 0), ("mps", 1, 0)],
)
def test_a_job_takes_trainer_devices(accelerator: str, devices: object, gpus: int) -> None:
    assert DevicePool().demand(accelerator, devices) == gpus


@pytest.mark.parametrize("devices", [0, [2, 3], "2,3"])
def test_a_job_cannot_choose_its_gpus(devices: object) -> None:
    with pytest.raises(UserError, match=r"cannot be shared out in a sweep; type trainer.devices=1"):
        DevicePool().demand("auto", devices)


def test_more_gpus_a_job_than_there_are() -> None:
    with pytest.raises(UserError, match=r"type trainer.devices=4 or fewer"):
        DevicePool().demand("auto", 5)


def test_jobs_of_different_sizes_never_share() -> None:
    pool = DevicePool()
    assert pool.take(1) == ["2"]
    assert pool.take(2) == ["3", "5"]
    assert pool.take(2) == []
    pool.give(["2"])
    assert pool.take(2) == ["2", "7"]
    assert pool.take(0) == ["cpu"]
    assert pool.take(0) == []


def test_shared_gpus_fill_evenly() -> None:
    pool = DevicePool([2, 3], jobs_per_device=2)
    assert [pool.take(1) for _ in range(5)] == [["2"], ["3"], ["2"], ["3"], []]


def test_a_device_has_room_for_a_job() -> None:
    with pytest.raises(UserError, match=r"jobs_per_device=0: type a whole number from 1 on"):
        DevicePool(jobs_per_device=0)


def test_jobs_that_share_the_processor_share_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert DevicePool(None, 1).environment(["cpu"]) == {}
    assert DevicePool(None, 4).environment(["cpu"]) == {"OMP_NUM_THREADS": "2"}
    assert DevicePool(None, 1).environment(["0", "2"]) == {"CUDA_VISIBLE_DEVICES": "0,2"}
