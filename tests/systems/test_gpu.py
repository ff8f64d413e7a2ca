"""What a run on a GPU is promised: whatever the machine chooses, the losses are those of the plain path."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganlab.data.module import ImageDataModule
from ganlab.data.packs.pictures import PictureProtocol
from ganlab.data.packs.source import Record, Source
from ganlab.data.spec import PackSpec
from ganlab.metrics.diversity import dissimilarity
from ganlab.metrics.frechet import FeatureStatistics, frechet_distance
from ganlab.objectives.penalties import R1
from ganlab.runs.machine import Machine
from ganlab.systems.gan import GAN
from ganlab.systems.pool import ImagePool

spec = importlib.util.spec_from_file_location("fast_path", Path(__file__).with_name("test_fast_path.py"))
assert spec and spec.loader
fast_path: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fast_path)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

EXTRAS: dict[str, Callable[[], dict[str, Any]]] = {
    "bare": dict,
    "penalised_and_averaged": lambda: {"penalties": {"r1": R1(weight=1.0)}, "half_life": 100.0},
}


class Pictures(Source):
    """Smooth pictures, ten minibatches of them."""

    name, in_memory = "smooth", True

    def __init__(self) -> None:
        self.images = fast_path.smooth(10 * fast_path.BATCH, 0).numpy()

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> dict[str, Any]:
        return {"count": len(self.images)}

    def read(self, index: int) -> Record:
        return {"images": self.images[index]}


def train(folder: Path, fast: bool, mode: str, resident: bool, extra: str, **options: Any) -> tuple[GAN, Tensor]:
    """Train as a run does, with all that this GPU is good at, or in plain float32; returns the losses as well."""
    machine = Machine.here("cuda")
    if mode != "none" and not machine.compiles:
        pytest.skip("needs Triton, a C compiler and Python.h")
    machine.prepare({"machine": {"compile": mode, "tf32": fast and machine.tf32}})
    system = fast_path.make(fused=fast, channels_last=fast, **EXTRAS[extra]())
    if mode != "none":
        torch.compiler.reset()  # so that no limit of compilations sends it back to eager
        system.compile_networks(mode)
    spec = PackSpec(Pictures(), PictureProtocol(fast_path.SIZE, 3), folder / "packs", max_broken=0, workers=0)
    data = ImageDataModule(spec, fast_path.BATCH, seed=5)
    data.resident = resident
    precision = "bf16-mixed" if fast and machine.bf16 else "32-true"
    given = {"accelerator": "gpu", "devices": 1, "precision": precision, "benchmark": fast, "data": data}
    return system, fast_path.fit(system, folder, **given | options)


@pytest.fixture(scope="module", autouse=True)
def settings() -> Iterator[None]:
    """Take back what the tests set for the whole process."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


@pytest.fixture(scope="module", params=EXTRAS)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, GAN, Tensor]:
    """The name of what is trained, and fifty steps of it: float32, eager, nothing fused, channels first."""
    folder = tmp_path_factory.mktemp("plain")
    return request.param, *train(folder, fast=False, mode="none", resident=False, extra=request.param)


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("mode", ["none", "default", "reduce-overhead"])
def test_fifty_steps_have_the_losses_of_the_plain_path(
    tmp_path: Path, plain: tuple[str, GAN, Tensor], mode: str, resident: bool
) -> None:
    extra, slow, expected = plain
    assert expected.shape == (fast_path.STEPS, 2) and (expected.amax(0) - expected.amin(0)).min() > 0.1
    system, losses = train(tmp_path, fast=True, mode=mode, resident=resident, extra=extra)
    fast_path.assert_alike(losses, expected)
    mine, theirs = (list(each.ema_or_raw("generator").cpu().parameters()) for each in (system, slow))
    for one, other in zip(mine, theirs, strict=True):
        assert torch.dist(one, other) < 0.1 * other.norm() + 0.01


@pytest.mark.parametrize("mode", ["none", "reduce-overhead"])
def test_a_run_continues_from_its_checkpoint(tmp_path: Path, mode: str) -> None:
    def some(**options: Any) -> Tensor:
        return train(tmp_path, True, mode, resident=True, extra="penalised_and_averaged", **options)[1]

    half, checkpoint = fast_path.STEPS // 2, tmp_path / "half.ckpt"
    parts = [some(steps=half, save=checkpoint), some(start=checkpoint)]
    assert [len(part) for part in parts] == [half, fast_path.STEPS - half]
    fast_path.assert_alike(torch.cat(parts), some())


def test_a_pool_exchanges_the_same_fakes_on_either_device() -> None:
    shown = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        pool = ImagePool(8)
        fakes = [torch.arange(start, start + 8.0, device=device) for start in (0, 8, 16)]
        shown.append(torch.cat([pool({"images": each})["images"] for each in fakes]).cpu())
    assert torch.equal(*shown)


def test_metrics_are_the_same_on_either_device() -> None:
    torch.backends.cudnn.allow_tf32 = True
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8, generator=rng)
    assert dissimilarity(images.cuda()) == pytest.approx(dissimilarity(images), abs=1e-5)
    found = [torch.randn(100, 64, dtype=torch.float64, generator=rng) for _ in range(2)]
    first, second = (FeatureStatistics(len(each), each.sum(0), each.T @ each) for each in found)
    there = second.to(torch.device("cuda"))
    assert frechet_distance(first, there) == pytest.approx(frechet_distance(first, second), rel=1e-6)
