import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.errors import UserError
from ganlab.metrics.evaluation import Evaluation
from ganlab.metrics.features import DigitsFeatures
from ganlab.metrics.fid import FID
from ganlab.metrics.modes import Modes
from ganlab.metrics.swd import SWD

PROCESS = """
import json, sys
from pathlib import Path
import numpy as np, torch
sys.path.insert(0, sys.argv[3])
from conftest import ArrayPack, Painter
from test_evaluation import evaluation_of
torch.set_num_threads(1)
rank, folder = int(sys.argv[1]), Path(sys.argv[2])
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
values = []
for count in (22, 4):  # in batches of 4: the last one cut; none at all for rank 1
    evaluation = evaluation_of(count)
    if rank == 0:
        evaluation.prepare_reals(ArrayPack(folder, np.load(folder / "images.npy")))
    values += [evaluation.measure(Painter((1, 32, 32)), rank, 2) for _ in range(2)]
(folder / f"rank{rank}.json").write_text(json.dumps(values))
"""


def evaluation_of(count: int, best: str | None = None, batch_size: int = 4) -> Evaluation:
    features = DigitsFeatures()
    metrics: dict[str, Any] = {"swd": SWD(patches=4), "fid": FID(features), "modes": Modes(features)}
    return Evaluation(metrics, features, count, batch_size, seed=7, best=best)


def test_two_processes_measure_what_one_does(
    tmp_path: Path, pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray]
) -> None:
    images = noise(30, 32, 32, 1)
    np.save(tmp_path / "images.npy", images)
    import_path = os.pathsep.join(path for path in sys.path if path)
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(rank), str(tmp_path), str(Path(__file__).parent)],
            env={**os.environ, "PYTHONPATH": import_path, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    expected = []
    for count in (22, 4):
        evaluation = evaluation_of(count)
        evaluation.prepare_reals(pack_of(images))
        expected += [evaluation.measure(painter((1, 32, 32)))] * 2
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    for rank in range(2):
        values = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert values == [pytest.approx(one, rel=1e-6) for one in expected]


def test_reals_count_once_and_samples_are_cut_to_the_count(
    pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray]
) -> None:
    evaluation, system, progress = evaluation_of(10), painter((1, 32, 32)), []
    pack = pack_of(noise(30, 32, 32, 1))
    evaluation.prepare_reals(pack)
    evaluation.prepare_reals(pack)
    state = torch.get_rng_state()
    values = [evaluation.measure(system, progress=lambda *done: progress.append(done)) for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), state)
    assert values[0] == values[1] == values[2]
    assert list(values[0]) == ["swd", "fid_digits", "confident_digits", "modes_digits"]
    assert system.asked[:3] == [(0, 4, 7), (1, 4, 7), (2, 4, 7)]
    assert progress[:3] == [(4, 10), (8, 10), (10, 10)]
    records = evaluation.protocol(system)
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
    evaluation, pack = evaluation_of(10), pack_of(noise(30, 32, 32, 1))
    evaluation.prepare_reals(pack)
    records = evaluation.protocol(painter((1, 32, 32)))
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
        "generation_batch": 4,
        "seed": 7,
        "batch_norm": "batch",
        "ema": False,
    }
    assert records["swd"]["patches"] == 4
    assert "warning" not in records["swd"]


def test_real_statistics_do_not_depend_on_the_batch_size(
    pack_of: Callable[[np.ndarray], Any], painter: type, noise: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    class Once(painter):  # type: ignore[misc]
        def generation_batch(self, index: int, size: int, seed: int) -> torch.Tensor:
            samples = super().generation_batch(0, 12, seed)
            return samples[index * size : (index + 1) * size]

    values = []
    for batch_size in (3, 12):
        for file in tmp_path.glob("*.npz"):
            file.unlink()
        evaluation = evaluation_of(12, batch_size=batch_size)
        evaluation.prepare_reals(pack_of(noise(30, 32, 32, 1)))
        values.append(evaluation.measure(Once((1, 32, 32))))
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_the_score_that_chooses_the_best_checkpoint() -> None:
    assert evaluation_of(10).score_name == "fid_digits"
    assert evaluation_of(10, best="swd").score_name == "swd"
    assert Evaluation({"swd": SWD(4)}, None, 10, 4, seed=0).score_name == "swd"
    features = DigitsFeatures()
    assert Evaluation({"modes": Modes(features)}, features, 10, 4, seed=0).score_name is None
    with pytest.raises(UserError, match="metrics.best=modes_digits is not measured; choose swd or fid_digits"):
        evaluation_of(10, best="modes_digits")


def test_counts_that_cannot_be() -> None:
    with pytest.raises(UserError, match="metrics.count=1 "):
        evaluation_of(1)
    with pytest.raises(UserError, match="metrics.batch_size=0 "):
        evaluation_of(10, batch_size=0)


def test_halves_are_the_yardstick(pack_of: Callable[[np.ndarray], Any], noise: Callable[..., np.ndarray]) -> None:
    same = noise(1, 32, 32, 1).repeat(20, axis=0)
    assert evaluation_of(10).halves(pack_of(same)) == {"fid_digits": pytest.approx(0, abs=1e-6)}
    assert evaluation_of(10).halves(pack_of(noise(20, 32, 32, 1)))["fid_digits"] > 0
    assert Evaluation({"swd": SWD(4)}, None, 10, 4, seed=0).halves(pack_of(same)) == {}
