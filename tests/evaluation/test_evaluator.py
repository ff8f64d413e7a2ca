import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.data.references import Reference
from ganlab.errors import UserError
from ganlab.evaluation.evaluator import Evaluator
from ganlab.metrics.extractors.digits import DigitsFeatures
from ganlab.metrics.measures.fid import FID
from ganlab.metrics.measures.inception_score import InceptionScore
from ganlab.metrics.measures.kid import KID
from ganlab.metrics.measures.modes import Modes
from ganlab.metrics.measures.ms_ssim import MSSSIM
from ganlab.metrics.measures.paired import L1, PSNR
from ganlab.metrics.measures.precision_recall import Coverage, Density, Precision, Recall
from ganlab.metrics.measures.swd import SWD
from ganlab.metrics.metric import Metric
from ganlab.systems.request import Request

PROCESS = """
import json, sys
from pathlib import Path
import numpy as np, torch
sys.path[:0] = [sys.argv[3], sys.argv[3] + "/evaluation"]
from stand_ins import ArrayPack, Painter
from test_evaluator import Inverter, evaluator_of_all, evaluator_of_translation
torch.set_num_threads(1)
rank, folder = int(sys.argv[1]), Path(sys.argv[2])
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
values = []
pack = ArrayPack(folder, np.load(folder / "images.npy"))
for count in (22, 4):  # in batches of 4: the last one cut; none at all for rank 1
    evaluator = evaluator_of_all(count, pack)
    if rank == 0:
        evaluator.prepare_reals()
    values += [evaluator.measure(Painter((1, 32, 32)), rank, 2) for _ in range(2)]
evaluator = evaluator_of_translation(pack)
if rank == 0:
    evaluator.prepare_reals()
values.append(evaluator.measure(Inverter(), rank, 2))
(folder / f"rank{rank}.json").write_text(json.dumps(values))
"""


def images_of(pack: Any) -> dict[str, Reference]:
    return {"": Reference(pack, lambda indices: {}, 0)}


def evaluator_of(count: int, pack: Any = None, best: str | None = None, batch_size: int = 4) -> Evaluator:
    features = DigitsFeatures()
    metrics: dict[str, Any] = {"swd": SWD(patches=4), "fid": FID(features), "modes": Modes(features)}
    return Evaluator(metrics, images_of(pack), features, count, batch_size, seed=7, best=best)


def evaluator_of_all(count: int, pack: Any) -> Evaluator:
    """With all metrics that papers print."""
    network, evaluator = DigitsFeatures(), evaluator_of(count)
    balls = {kind.value: kind(network, 2) for kind in (Precision, Recall, Density, Coverage)}
    others = {"kid": KID(network, None, 5, 0), "is": InceptionScore(network, 2, 0), "ms_ssim": MSSSIM(8)}
    return Evaluator({**evaluator.metrics, **balls, **others}, images_of(pack), network, count, 4, seed=7)


class Inverter:
    """Translates a to b exactly, by inverting grey levels; b to a not at all."""

    device = torch.device("cpu")

    def respond(self, request: Request, seed: int, task: str = "") -> torch.Tensor:
        assert request.inputs is not None
        return 255 - request.inputs if task == "a_to_b" else request.inputs

    def labels_for(self, request: Request, seed: int) -> None: ...

    def sampling_protocol(self) -> dict[str, Any]:
        return {"dropout": False}


def evaluator_of_translation(pack: Any, count: int = 100, batch_size: int = 4) -> Evaluator:
    """Of pairs of pictures and their negatives, in both directions, the left half a hole."""

    def shown(indices: np.ndarray, reverse: bool) -> dict[str, torch.Tensor]:
        pictures = torch.from_numpy(pack.images[indices].transpose(0, 3, 1, 2).copy())
        masks = torch.zeros_like(pictures)
        masks[..., : pictures.shape[3] // 2] = 1
        pair = (255 - pictures, pictures) if reverse else (pictures, 255 - pictures)
        return dict(zip(("inputs", "targets", "masks"), (*pair, masks), strict=True))

    references = {
        task: Reference(pack, partial(shown, reverse=task == "b_to_a"), len(pack)) for task in ("a_to_b", "b_to_a")
    }
    kinds: dict[str, Callable[[], Any]] = {
        "l1": lambda: L1("all"), "psnr": lambda: PSNR("all"), "hole": lambda: L1("hole"), "swd": lambda: SWD(4)
    }  # fmt: skip
    metrics = {f"{name}/{task}": kind() for name, kind in kinds.items() for task in references}
    return Evaluator(metrics, references, None, count, batch_size, seed=7)


def test_tasks_have_inputs_truths_and_names_of_their_own(
    pack_of: Callable[[np.ndarray], Any], noise: Callable[..., np.ndarray]
) -> None:
    pack = pack_of(noise(30, 32, 32, 1))
    values, progress = [], list[tuple[int, int]]()
    for batch_size in (4, 25):
        evaluator = evaluator_of_translation(pack, batch_size=batch_size)
        evaluator.prepare_reals()
        values.append(evaluator.measure(Inverter(), progress=lambda *done: progress.append(done)))
        assert progress[-1] == (60, 60)  # no more images than inputs
    found, differences = values[0], np.abs(255 - 2 * pack.images.astype(float)) / 255
    assert values[1] == pytest.approx(found, rel=1e-6)
    assert found.keys() == {
        f"{name}/{task}" for name in ("l1", "psnr", "l1_hole", "swd") for task in ("a_to_b", "b_to_a")
    }
    assert (found["l1/a_to_b"], found["psnr/a_to_b"], found["l1_hole/a_to_b"]) == (0, float("inf"), 0)
    assert found["l1/b_to_a"] == pytest.approx(differences.mean())
    assert found["l1_hole/b_to_a"] == pytest.approx(differences[:, :, :16].mean())
    record = evaluator.protocol(Inverter())["l1/b_to_a"]
    assert (record["fake"], record["pack"], record["pixels"]) == (30, pack.manifest["key"], "all")
    assert evaluator.score_name == "l1/a_to_b" and not evaluator.score_rises
    few = evaluator_of_translation(pack, count=10)
    few.prepare_reals()
    pictures = pack.images[np.random.default_rng(7).permutation(30)[:10]].astype(float)
    assert few.measure(Inverter())["l1/b_to_a"] == pytest.approx(np.abs(255 - 2 * pictures).mean() / 255)


def test_two_processes_measure_what_one_does(
    tmp_path: Path, pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray]
) -> None:
    images = noise(30, 32, 32, 1)
    np.save(tmp_path / "images.npy", images)
    import_path = os.pathsep.join(path for path in sys.path if path)
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(rank), str(tmp_path), str(Path(__file__).parents[1])],
            env={**os.environ, "PYTHONPATH": import_path, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    expected = []
    for count in (22, 4):
        evaluator = evaluator_of_all(count, pack_of(images))
        evaluator.prepare_reals()
        expected += [evaluator.measure(painter((1, 32, 32)))] * 2
    evaluator = evaluator_of_translation(pack_of(images))
    evaluator.prepare_reals()
    expected.append(evaluator.measure(Inverter()))
    assert {name.removesuffix("_digits") for name in expected[0]} == {
        *("swd", "fid", "confident", "modes", "precision", "recall", "density", "coverage", "kid", "is", "ms_ssim")
    }
    assert expected[0] != expected[2]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    for rank in range(2):
        values = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert values == [pytest.approx(one, rel=1e-6) for one in expected]


def test_reals_count_once_and_samples_are_cut_to_the_count(
    pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray]
) -> None:
    evaluator, system, progress = evaluator_of(10, pack_of(noise(30, 32, 32, 1))), painter((1, 32, 32)), []
    evaluator.prepare_reals()
    evaluator.prepare_reals()
    state = torch.get_rng_state()
    values = [evaluator.measure(system, progress=lambda *done: progress.append(done)) for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), state)
    assert values[0] == values[1] == values[2]
    assert list(values[0]) == ["swd", "fid_digits", "confident_digits", "modes_digits"]
    assert system.asked[:3] == [(0, 4, 7), (4, 4, 7), (8, 2, 7)]
    assert progress[:3] == [(4, 10), (8, 10), (10, 10)]
    records = evaluator.protocol(system)
    assert {name: record.get("real") for name, record in records.items()} == {
        "swd": 10,
        "fid_digits": 30,
        "confident_digits": None,
        "modes_digits": None,
    }


def test_values_come_with_their_protocol(
    pack_of: Callable[[np.ndarray], Any],
    painter: type,
    noise: Callable[..., np.ndarray],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pack = pack_of(noise(30, 32, 32, 1))
    evaluator = evaluator_of(10, pack)
    evaluator.prepare_reals()
    records = evaluator.protocol(painter((1, 32, 32)))
    warning = "fid_digits from 10 images is unreliable"
    assert caplog.text.count(warning) == 1
    assert records["fid_digits"].pop("warning").startswith(warning)
    assert records["fid_digits"] == {
        "features": "digits",
        "weights_sha256": DigitsFeatures().weights_sha256,
        "resize": "bilinear to 32x32, antialiased",
        "real": 30,
        "fake": 10,
        "pack": pack.manifest["key"],
        "data": "arrays",
        "split": "train",
        "generation_batch": 100,
        "seed": 7,
        "batch_norm": "batch",
        "ema": False,
    }
    assert records["swd"]["patches"] == 4
    assert "warning" not in records["swd"]


def test_numbers_do_not_depend_on_the_batch_size(
    pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    values = []
    for batch_size in (3, 12):
        for file in tmp_path.glob("*.npz"):
            file.unlink()
        evaluator = evaluator_of(12, pack_of(noise(30, 32, 32, 1)), batch_size=batch_size)
        evaluator.prepare_reals()
        values.append(evaluator.measure(painter((1, 32, 32))))
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_the_score_that_chooses_the_best_checkpoint() -> None:
    assert evaluator_of(10).score_name == "fid_digits"
    assert evaluator_of(10, best="swd").score_name == "swd"
    assert Evaluator({"swd": SWD(4)}, images_of(None), None, 10, 4, seed=0).score_name == "swd"
    features = DigitsFeatures()
    assert Evaluator({"modes": Modes(features)}, images_of(None), features, 10, 4, seed=0).score_name is None
    with pytest.raises(UserError, match="metrics.best=modes_digits is not measured; choose swd or fid_digits"):
        evaluator_of(10, best="modes_digits")


def test_counts_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="^count=1 must be a whole number of at least 2"):
        evaluator_of(1)
    with pytest.raises(ValueError, match="batch_size=0 must be a whole number of at least 2"):
        evaluator_of(10, batch_size=0)


def test_real_halves(pack_of: Callable[[np.ndarray], Any], noise: Callable[..., np.ndarray]) -> None:
    same, different = pack_of(noise(1, 32, 32, 1).repeat(20, axis=0)), pack_of(noise(20, 32, 32, 1))
    equal, evaluator = evaluator_of(10, same), evaluator_of(10, different)
    equal.prepare_reals()
    assert equal.real_halves() == {"fid_digits": pytest.approx(0, abs=1e-6)}
    evaluator.prepare_reals()
    assert evaluator.real_halves()["fid_digits"] > 0
    without_fid = Evaluator({"swd": SWD(4)}, images_of(same), DigitsFeatures(), 10, 4, seed=0)
    without_fid.prepare_reals()
    assert without_fid.real_halves() == {}


def test_numbers_do_not_depend_on_the_feature_batch(
    pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    values = []
    for size in (3, 50):
        for file in tmp_path.glob("*.npz"):
            file.unlink()
        evaluator = evaluator_of(12, pack_of(noise(30, 32, 32, 1)))
        assert evaluator.features is not None
        evaluator.features.batch_size = size
        evaluator.prepare_reals()
        values.append(evaluator.measure(painter((1, 32, 32))))
    assert values[0] == pytest.approx(values[1], rel=1e-5)


class Recorder(Metric):
    """Records what it is shown."""

    names, wants_held_out = ("recorded",), True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def take_reals(self, reals: Any) -> None:
        self.reals = reals

    def take_system(self, system: Any, seed: int) -> None:
        self.system, self.seed = system, seed

    def update(self, batch: Any) -> None:
        self.seen.append(batch)

    def compute(self) -> dict[str, float]:
        return {"recorded": float(sum(map(len, self.seen)))}

    def fitted(self, count: int) -> int:
        return count // 4

    def picture(self) -> torch.Tensor:
        return self.seen[0].images[0]

    def protocol(self) -> dict[str, Any]:
        return {"fake": 3}


def test_metrics_get_what_they_ask_for(
    pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray]
) -> None:
    class Conditional(painter):  # type: ignore[misc]
        def labels_for(self, request: Request, seed: int) -> torch.Tensor:
            return request.indices // 4

    metric, system = Recorder(), Conditional((1, 4, 4))
    pack, others = pack_of(noise(30, 4, 4, 1)), pack_of(noise(20, 4, 4, 1, seed=1))
    evaluator = Evaluator({"recorded": metric}, images_of(pack), DigitsFeatures(), 10, 4, seed=7)
    evaluator.prepare_reals(held_out=lambda: others)
    assert metric.reals.held_out.pack is others
    assert evaluator.warnings["recorded"].startswith(
        "recorded from 2 images is unreliable, its covariance has 64 dimensions: set metrics.count=320 or more"
    )
    assert evaluator.measure(system, seed=11) == {"recorded": 10}
    assert metric.system is system and metric.seed == 11
    assert system.asked == [(0, 4, 11), (4, 4, 11), (8, 2, 11)]
    assert torch.cat([batch.indices for batch in metric.seen]).tolist() == list(range(10))
    assert torch.cat([batch.labels for batch in metric.seen]).tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert evaluator.pictures["recorded"].shape == (1, 4, 4)
    assert evaluator.protocol(system)["recorded"]["fake"] == 3  # the metric's own entry prevails


def test_held_out_images_are_looked_for_only_where_they_are_asked_for(
    pack_of: Callable[[np.ndarray], Any], noise: Callable[..., np.ndarray]
) -> None:
    def none_here() -> Any:
        raise AssertionError("nobody asked")

    evaluator_of(10, pack_of(noise(30, 32, 32, 1))).prepare_reals(held_out=none_here)
