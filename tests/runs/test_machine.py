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
from ganlab.runs.build import build_trainer, load_system
from ganlab.runs.machine import COMPILE_PAYS, Machine, has_fused_kernel, keep_memory, resident, resolve_auto
from ganlab.systems.checkpoint import read
from ganlab.systems.data_parallel import PlayerParallel

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
        "machine.channels_last": True,
        "machine.fused": fused,
        "machine.tf32": tf32,
    }
    assert machine.compiling(COMPILE_PAYS) == {"machine.compile": compiled}
    assert machine.compiling(COMPILE_PAYS - 1) == {"machine.compile": "none"}  # over before it would pay
    assert machine.choices(deterministic=True)["trainer.benchmark"] is None


@pytest.mark.parametrize(
    ("flags", "avx2", "widths"),
    [
        ({"avx2": True}, True, [16, 32]),
        ({"avx2": True, "avx512_f": True}, False, [16, 32, 64, 128]),
        ({"neon": True}, False, [16, 32, 64, 128]),
    ],
)
def test_wide_networks_have_their_channels_first_on_avx2(
    monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool], avx2: bool, widths: list[int]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    machine = Machine.here("cpu")
    last = [width for width in (16, 32, 64, 128) if machine.choices(width=width)["machine.channels_last"]]
    assert machine.avx2 is avx2 and last == widths
    assert machine.choices()["machine.channels_last"] is True


@pytest.mark.parametrize(("capability", "able"), [((7, 0), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_is_looked_at(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], able: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    for accelerator in ("auto", "gpu", "cuda"):
        found = Machine.here(accelerator)
        assert (found.device, found.name, found.bf16, found.tf32) == ("cuda", "GPU", able, able)
    assert Machine.here("cpu").device == "cpu"


@pytest.mark.parametrize(
    ("triton", "commands", "typed", "headers", "compiles"),
    [
        (True, {"gcc"}, None, True, True),
        (True, {"clang"}, None, True, True),
        (True, {"gcc"}, "icx", True, False),
        (True, {"icx"}, "icx", True, True),
        (True, {"c++"}, None, True, False),
        (True, {"gcc"}, None, False, False),
        (False, {"gcc"}, None, True, False),
    ],
)
def test_triton_is_looked_at_with_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    triton: bool,
    commands: set[str],
    typed: str | None,
    headers: bool,
    compiles: bool,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(machines, "find_spec", lambda name: name if triton else None)
    monkeypatch.setattr(machines, "which", lambda command: command if command in commands else None)
    monkeypatch.setattr(machines.sysconfig, "get_path", lambda *_: str(tmp_path))
    monkeypatch.setattr(machines.sysconfig, "get_default_scheme", lambda: "posix_local")
    monkeypatch.setenv("CC", typed) if typed else monkeypatch.delenv("CC", raising=False)
    if headers:
        (tmp_path / "Python.h").touch()
    assert Machine.here("cuda").compiles is compiles


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", None])
def test_a_processor_is_looked_at(monkeypatch: pytest.MonkeyPatch, flag: str | None) -> None:
    flags = dict.fromkeys(("avx512_bf16", "amx_bf16", "avx512_f"), False) | ({flag: True} if flag else {})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags | {"cpu_name": "CPU"})
    found = Machine.here("cpu")
    assert (found.device, found.name, found.bf16, found.tf32) == ("cpu", "CPU", flag is not None, False)


def test_what_was_recorded_goes_before_the_machine_and_what_was_typed_before_both() -> None:
    machine = {"channels_last": "auto", "fused": False, "tf32": "auto"}
    config = {"trainer": {"precision": "auto", "benchmark": "auto"}, "machine": machine}
    choices = AMPERE.choices()
    fresh = resolve_auto(config, choices, None)
    assert fresh["trainer"] == {"precision": "bf16-mixed", "benchmark": True}
    assert fresh["machine"] == {"channels_last": True, "fused": False, "tf32": True}
    recorded = resolve_auto(config, PLAIN.choices(), None)
    assert resolve_auto(config, choices, recorded)["trainer"] == {"precision": "32-true", "benchmark": None}
    assert resolve_auto(config, choices, recorded)["machine"] == {"channels_last": True, "fused": False, "tf32": False}
    recorded["machine"]["channels_last"] = False  # once typed by hand
    assert resolve_auto(config, choices, recorded)["machine"]["channels_last"] is False
    before_there_were_choices = {"trainer": {"precision": "32-true"}}
    assert resolve_auto(config, choices, before_there_were_choices)["trainer"]["precision"] == "32-true"
    typed = resolve_auto(config | {"trainer": {"precision": "bf16-mixed", "benchmark": None}}, choices, recorded)
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
        PLAIN.require({"compile": "none", "data_on_device": True})


def test_compiling_without_a_compiler_is_refused() -> None:
    config = {"machine": {"compile": "default", "tf32": False}}
    with pytest.raises(UserError, match="needs a C[+][+] compiler, which is not here: type machine.compile=none"):
        PLAIN.prepare(config)
    with pytest.raises(UserError, match="needs Triton, a C compiler and Python.h, which are not all here: type machi"):
        Machine("cuda", "bare").prepare(config)


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


def test_the_machine_line_says_what_is_done() -> None:
    def line(generator: Any, discriminator: Any, **chosen: Any) -> str:
        made = {"generator": generator, "discriminator": discriminator}
        players = {name: SimpleNamespace(optimizer=partial(kind, lr=1.0)) for name, kind in made.items()}
        system: Any = SimpleNamespace(players=players, differentiated_twice=lambda: ["r1"])
        config = {"machine": {"compile": "none", "channels_last": True, "fused": True, "tf32": True} | chosen}
        config["trainer"] = {"precision": "bf16-mixed"}
        data: Any = SimpleNamespace(resident=True)
        return AMPERE.describe(config, system, data, 2)

    adam, rmsprop = torch.optim.Adam, torch.optim.RMSprop
    begins, ends = "2 x cuda (A100): bf16-mixed, TF32, ", "not compiled, data on the GPU"
    assert line(adam, adam) == f"{begins}channels-last, fused optimisers, {ends}"
    assert line(rmsprop, rmsprop) == f"{begins}channels-last, {ends}"  # PyTorch has no fused kernel for it
    assert line(rmsprop, adam) == f"{begins}channels-last, fused optimiser of the discriminator, {ends}"
    assert line(adam, adam, channels_last=False, fused=False) == f"{begins}{ends}"
    assert "torch.compile default but for r1" in line(adam, adam, compile="default")


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


@pytest.mark.parametrize(("device", "devices", "shared"), [("cuda", 2, True), ("cuda", 1, False), ("cpu", 2, False)])
def test_batch_statistics_are_those_of_several_gpus(
    monkeypatch: pytest.MonkeyPatch, device: str, devices: int, shared: bool
) -> None:
    monkeypatch.setattr(Machine, "here", lambda accelerator: Machine(device, device))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    options = {"accelerator": "cpu", "devices": devices, "num_nodes": 1, "strategy": "auto", "plugins": None}
    strategy = build_trainer({"trainer": options | {"sync_batchnorm": "auto"}}, [], []).strategy
    assert bool(getattr(strategy, "_layer_sync", None)) is shared


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
    line = starts_on(PLAIN, "max_images=96", "trainer.precision=bf16", "machine.channels_last=false")  # typed by hand
    assert ": bf16-mixed (slow here: no bfloat16 products), not compiled" in line
    line = starts_on(PLAIN, "max_images=128", "trainer.precision=auto")
    assert ": bf16-mixed (slow here: no bfloat16 products), not compiled" in line
    kept = yaml.safe_load(config.read_text())
    assert kept["trainer"]["precision"] == "bf16-mixed"
    assert kept["machine"]["fused"] is False and kept["machine"]["channels_last"] is False
    starts = json.loads((tmp_path / "moved/environment.json").read_text())
    assert [start["chosen"]["fused"] for start in starts] == [True, False, False, False]
    assert [start["chosen"]["channels_last"] for start in starts] == [True, True, False, False]
    assert [start["chosen"]["data_on_device"] for start in starts] == [False] * 4


def test_the_record_does_not_call_an_optimiser_fused_that_cannot_be(command: Callable, tmp_path: Path) -> None:
    options = ("debug=smoke", "logger=none", "metrics=none", "diagnostics=none", "optimizer=rmsprop", "max_images=32")
    outcome = command("train", *options, f"outputs={tmp_path}", "run=rms")
    assert outcome.code == 0 and "fused" not in outcome.out, outcome.err
    (start,) = json.loads((tmp_path / "rms/environment.json").read_text())
    assert start["chosen"]["fused"] is False


@pytest.mark.parametrize("lacks", ["machine", "channels_last"])
def test_a_checkpoint_from_before_there_were_choices_still_loads(smoke: Path, tmp_path: Path, lacks: str) -> None:
    state = read(smoke / "checkpoints/last.ckpt")
    del (state["config"] if lacks == "machine" else state["config"]["machine"])[lacks]
    torch.save(state, tmp_path / "old.ckpt")
    system, _ = load_system(tmp_path / "old.ckpt", "cpu")
    assert system.channels_last and system.sample(4).shape == (4, 1, 32, 32)


def test_a_run_passes_its_minibatches_through_compiled_networks(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def compiling(network: Any, mode: str, dynamic: bool) -> Callable:
        def compiled(*given: Any) -> Any:
            calls.append(type(network).__name__)
            return network(*given)

        return compiled

    monkeypatch.setattr(torch, "compile", compiling)
    monkeypatch.setattr(Machine, "prepare", lambda *_: None)  # which would look for a compiler
    options = ("debug=smoke", "logger=none", "metrics=none", "diagnostics=none", "max_images=64", "penalty=none")
    outcome = command("train", *options, "machine.compile=default", f"outputs={tmp_path}", "run=compiled")
    assert outcome.code == 0 and "torch.compile default" in outcome.out, outcome.err
    assert calls == ["Generator", "Discriminator", "Discriminator", "Discriminator"] * 2
