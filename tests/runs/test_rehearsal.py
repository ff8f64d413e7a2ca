"""What is refused before data are read: one value a channel, sizes that do not fit, networks beyond memory."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from ganlab.configuration import CONF
from ganlab.configuration.checking import check
from ganlab.errors import UserError, out_of_memory
from ganlab.runs.rehearsal import rehearse_system

NORM_FREE = ("architecture.generator.normalization=layer", "architecture.discriminator.normalization=none")


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Rehearse the run of a command line."""
    monkeypatch.setenv("GANLAB_RUN", "run")

    def rehearse(*overrides: str, devices: int = 1) -> None:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config: Any = check(compose("train", ["debug=smoke", "trainer.accelerator=cpu", *overrides]))
        config["machine"] |= {"channels_last": True, "fused": True}
        torch.manual_seed(0)
        rehearse_system(config, devices)

    return rehearse


@pytest.mark.parametrize(
    ("overrides", "devices", "message"),
    [
        (["data.batch_size=1"], 1, "=1 leaves one image at a time, and batch norm needs more: type data.batch_size=2"),
        (["data.batch_size=16", "accumulate=16"], 1, "=16 with accumulate=16 leaves one image.* data.batch_size=32 or"),
        (["data.batch_size=3"], 3, "data.batch_size=3 on 3 devices leaves one image at a time.* data.batch_size=6 or"),
        (["data.batch_size=4", "accumulate=2"], 2, "on 2 devices with accumulate=2 leaves .* data.batch_size=8 or"),
        (["data.batch_size=1", "architecture=mlp_conditional"], 1, "leaves one image"),
        (["data.batch_size=1", "architecture=sndcgan"], 1, "leaves one image"),
        (["data.batch_size=1", "experiment=context_encoder", "data.root=."], 1, "leaves one image"),
        (["data.batch_size=1", "architecture.discriminator.hidden_layers=1", NORM_FREE[0]], 1, "leaves one image"),
        (["data.batch_size=1", "system.joint=true", "penalty=r1", NORM_FREE[0],
          "architecture.discriminator.hidden_layers=1"], 1, "leaves one image"),
    ],
)  # fmt: skip
def test_one_value_a_channel_is_refused(rehearsed: Callable, overrides: list[str], devices: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rehearsed(*overrides, devices=devices)


@pytest.mark.parametrize(
    ("overrides", "devices"),
    [
        (["data.batch_size=2"], 1),
        (["data.batch_size=4"], 2),
        (["data.batch_size=1", *NORM_FREE], 1),
        (["data.batch_size=1", NORM_FREE[0], "penalty=none"], 1),  # maps of 16, 8 and 4 pixels a side in D
        (["data.batch_size=1", "architecture=mlp"], 1),
        (["data.batch_size=32", "augment=[diffaugment,adaptive]", "penalty=[r1,lecam]", "system.replay=9"], 1),
        (["data.batch_size=32", "architecture=dcgan_conditional", "regularizer=orthogonal"], 1),
        (["data.batch_size=1_000_000_000"], 1),  # takes no memory here
        (["experiment=facades", "data.batch_size=1"], 1),  # its innermost pixel has no norm
        (["experiment=colourise", "data.root=."], 1),
        (["experiment=day2night", "data.batch_size=1"], 1),
        (["experiment=random_region", "data.root=."], 1),
    ],
)
def test_what_can_work_is_not_refused(rehearsed: Callable, overrides: list[str], devices: int) -> None:
    rehearsed(*overrides, devices=devices)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["architecture.width=400_000"], r"networks take [\d,.]+ GB with their gradients and moments, and this cpu"),
        (["architecture.latent_size=100_000_000_000"], "the networks take"),
        (["architecture.generator.kernel=50_001"], "the networks take"),
        (["architecture.generator.hidden_units=9_000_000_000_000", "architecture.generator.hidden_layers=1"], "take"),
        (["architecture=mlp", "architecture.width=30_000_000"], "the networks take"),
        (["architecture.width=1_000_000_000_000_000"], "architecture.generator: "),
        (["data.num_classes=9_000_000_000_000_000_000", "architecture=dcgan_conditional"], "architecture.generator: "),
        (["architecture.generator.channels=3"], "the generator makes images of 32x32x3, and the data has 32x32x1"),
        (["experiment=facades", "architecture.discriminator.channels=1"], "do not fit each other|channels"),
        (["architecture.discriminator.image_size=64"], "the networks do not fit each other or the images: "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_memory_is_taken(
    rehearsed: Callable, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        rehearsed(*overrides)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError(28, "No space left on device"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_are_about_memory(error: Exception, memory: bool) -> None:
    assert out_of_memory(error) is memory
    outer = ValueError("building failed")
    outer.__cause__ = error
    assert out_of_memory(outer) is memory
