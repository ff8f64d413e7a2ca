"""Choices are made of described machines; that a GPU keeps what they promise is for the benchmarks to show."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from ganlab.errors import UserError
from ganlab.runs import machine as machines
from ganlab.runs import training
from ganlab.runs.assembly import build_trainer
from ganlab.runs.machine import COMPILE_PAYS, Machine, has_fused_kernel, keep_memory, resident, settle
from ganlab.systems.exchange import PlayerParallel

PLAIN = Machine("cpu", "old")
MODERN = Machine("cpu", "new", bf16=True, compiles=True)
AMPERE = Machine("cuda", "A100", bf16=True, tf32=True, compiles=True)
VOLTA = Machine("cuda", "V100", compiles=True)
CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("machine", "precision", "benchmark", "fused", "tf32", "compiled"),
    [
        (PLAIN, "32-true", None, True, False, "none"),
        (MODERN, "bf16-mixed", None, True, False, "none"),
        (AMPERE, "bf16-mixed", True, True, True, "default"),
        (VOLTA, "32-true", True, True, False, "default"),
        (Machine("cuda", "bare", bf16=True), "bf16-mixed", True, True, False, "none"),
        (Machine("mps", "M2"), "32-true", None, False, False, "none"),
    ],
)
def test_each_machine_gets_what_it_is_good_at(
    machine: Machine, precision: str, benchmark: bool | None, fused: bool, tf32: bool, compiled: str
) -> None:
    assert machine.choices() == {
        "trainer.precision": precision,
        "trainer.benchmark": benchmark,
        "machine.fused": fused,
        "machine.tf32": tf32,
    }
    assert machine.compiling(COMPILE_PAYS) == {"machine.compile": compiled}
    assert machine.compiling(COMPILE_PAYS - 1) == {"machine.compile": "none"}  # over before it would pay
    assert machine.choices(deterministic=True)["trainer.benchmark"] is None


@pytest.mark.parametrize(("capability", "able"), [((7, 0), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_is_looked_at(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], able: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    for accelerator in ("auto", "gpu", "cuda"):
        found = Machine.here(accelerator)
        assert (found.device, found.name, found.bf16, found.tf32) == ("cuda", "GPU", able, able)
    assert Machine.here("cpu").device == "cpu"


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", None])
def test_a_processor_is_looked_at(monkeypatch: pytest.MonkeyPatch, flag: str | None) -> None:
    flags = dict.fromkeys(("avx512_bf16", "amx_bf16", "avx512_f"), False) | ({flag: True} if flag else {})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags | {"cpu_name": "CPU"})
    found = Machine.here("cpu")
    assert (found.device, found.name, found.bf16, found.tf32) == ("cpu", "CPU", flag is not None, False)


def test_what_was_recorded_goes_before_the_machine_and_what_was_typed_before_both() -> None:
    config = {"trainer": {"precision": "auto", "benchmark": "auto"}, "machine": {"fused": False, "tf32": "auto"}}
    choices = AMPERE.choices()
    fresh = settle(config, choices, None)
    assert fresh["trainer"] == {"precision": "bf16-mixed", "benchmark": True}
    assert fresh["machine"] == {"fused": False, "tf32": True}
    recorded = settle(config, PLAIN.choices(), None)
    assert settle(config, choices, recorded)["trainer"] == {"precision": "32-true", "benchmark": None}
    assert settle(config, choices, recorded)["machine"] == {"fused": False, "tf32": False}
    before_there_were_choices = {"trainer": {"precision": "32-true"}}
    assert settle(config, choices, before_there_were_choices)["trainer"]["precision"] == "32-true"
    typed = settle(config | {"trainer": {"precision": "bf16-mixed", "benchmark": None}}, choices, recorded)
    assert typed["trainer"]["precision"] == "bf16-mixed"
    assert config["trainer"]["precision"] == "auto"  # the given one is left alone


@pytest.mark.parametrize(
    ("typed", "needed", "there"),
    [("auto", 40, True), ("auto", 60, False), (True, 90, True), (False, 1, False), (True, 101, None)],
)
def test_packs_go_to_the_gpu_where_they_fit(
    monkeypatch: pytest.MonkeyPatch, typed: bool | str, needed: int, there: bool | None
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 200))
    data: Any = SimpleNamespace(nbytes=needed)
    if there is None:
        with pytest.raises(UserError, match="leave it at auto"):
            resident(typed, data, CUDA)
    else:
        assert resident(typed, data, CUDA) is there
    assert resident("auto", data, torch.device("cpu")) is False


def test_a_gpu_that_is_not_there_cannot_hold_data() -> None:
    with pytest.raises(UserError, match="needs a GPU, and this is cpu"):
        resident(True, SimpleNamespace(nbytes=1), torch.device("cpu"))  # type: ignore[arg-type]


def test_compiling_without_a_compiler_is_refused() -> None:
    with pytest.raises(UserError, match="needs a C[+][+] compiler, which is not here: type machine.compile=none"):
        PLAIN.prepare({"machine": {"compile": "default", "tf32": False}})


def test_tf32_is_set_on_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    asked = list[str]()
    monkeypatch.setattr(torch, "set_float32_matmul_precision", asked.append)
    monkeypatch.setattr(machines, "keep_memory", lambda: asked.append("kept"))
    for machine, tf32 in ((AMPERE, True), (AMPERE, False), (MODERN, True)):
        machine.prepare({"machine": {"compile": "none", "tf32": tf32}})
    assert asked == ["high", "highest", "kept"] and torch.backends.cudnn.allow_tf32 is False


def test_memory_is_kept_without_a_word() -> None:
    keep_memory()
    assert torch.ones(1000, 1000).sum() == 1e6


def test_fused_optimisers_are_known_and_step_alike() -> None:
    assert has_fused_kernel(partial(torch.optim.Adam, lr=1.0)) and not has_fused_kernel(torch.optim.RMSprop)
    for make in (
        partial(torch.optim.Adam, lr=0.01, betas=(0.5, 0.999), weight_decay=1e-5),
        partial(torch.optim.SGD, lr=0.01, momentum=0.9),
    ):
        networks = []
        for fused in (None, True):
            torch.manual_seed(0)
            network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.Flatten(), torch.nn.Linear(128, 1))
            network = network.to(memory_format=torch.channels_last)
            optimizer = make(network.parameters(), fused=fused)
            for step in range(20):
                optimizer.zero_grad()
                images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
                network(images).square().mean().backward()
                optimizer.step()
            networks.append(network)
        for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_no_batch_waits_for_lightnings_question_of_signals() -> None:
    from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

    assert callable(_TrainingEpochLoop._broadcast_sigterm_tensor)  # the private name that is replaced
    options = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "plugins": None}
    loop = build_trainer({"trainer": options}, [], []).fit_loop.epoch_loop
    assert "_broadcast_sigterm_tensor" in vars(loop) and loop._broadcast_sigterm_tensor() is None


def test_several_devices_train_in_data_parallel_and_in_no_other_way() -> None:
    options = {"accelerator": "cpu", "devices": 2, "num_nodes": 1, "strategy": "ddp", "plugins": None}
    assert isinstance(build_trainer({"trainer": options}, [], []).strategy, PlayerParallel)
    with pytest.raises(UserError, match=r"trainer\.strategy=fsdp: .* type trainer\.strategy=auto"):
        build_trainer({"trainer": options | {"strategy": "fsdp"}}, [], [])


def test_a_run_keeps_its_choices_on_another_machine(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("debug=smoke", "logger=none", "metrics=none", "diagnostics=none", f"outputs={tmp_path}", "run=moved")
    config = tmp_path / "moved/config.yaml"

    def starts_on(machine: Machine, *more: str) -> str:
        monkeypatch.setattr(training.Machine, "here", classmethod(lambda *_: machine))
        outcome = command("train", *options, *more)
        assert outcome.code == 0, outcome.err
        (line,) = (line for line in outcome.out.splitlines() if line.startswith("machine"))
        return line

    line = starts_on(PLAIN, "max_images=32", "trainer.precision=auto")
    assert "1 x cpu (old" in line and ": 32-true, channels-last, fused optimisers, not compiled" in line
    assert yaml.safe_load(config.read_text())["trainer"]["precision"] == "32-true"
    line = starts_on(MODERN, "max_images=64", "trainer.precision=auto", "machine.fused=false")
    assert ": 32-true, channels-last, not compiled" in line
    line = starts_on(PLAIN, "max_images=96", "trainer.precision=bf16-mixed")  # typed by hand
    assert ": bf16-mixed (slow here: no bfloat16 products), channels-last, not compiled" in line
    kept = yaml.safe_load(config.read_text())
    assert kept["trainer"]["precision"] == "bf16-mixed" and kept["machine"]["fused"] is False
    starts = json.loads((tmp_path / "moved/environment.json").read_text())
    assert [start["chosen"]["fused"] for start in starts] == [True, False, False]
    assert [start["chosen"]["data_on_device"] for start in starts] == [False] * 3
