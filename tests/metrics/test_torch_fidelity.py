"""The numbers of torch-fidelity, from images to metrics, by the same random weights in Inception's layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_fidelity import calculate_metrics

from ganlab.metrics.extractors.inception import InceptionFeatures
from ganlab.metrics.generated import Generated
from ganlab.metrics.measures.fid import FID
from ganlab.metrics.measures.inception_score import InceptionScore
from ganlab.metrics.measures.kid import KID
from ganlab.metrics.measures.precision_recall import Precision, Recall
from ganlab.metrics.reals import Reals

COUNT = 6  # images of either kind: Inception takes a third of a second for each


class Images(Dataset):
    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def test_same_images_and_weights_give_its_numbers(
    random_inception: Path, pack_of: Callable[..., Any], noise: Callable[..., np.ndarray]
) -> None:
    colours = np.random.default_rng(2).integers(0, 192, (2, COUNT, 1, 1, 3), dtype=np.uint8)  # images that differ
    real, fake = (noise(COUNT, 32, 32, 3, seed=seed) // 4 + colours[seed] for seed in (0, 1))
    network = InceptionFeatures(random_inception)
    reals = Reals(pack_of(real), COUNT, COUNT, 0, torch.device("cpu"))
    metrics: list[Any] = [FID(network), KID(network, 5, 10, 3), InceptionScore(network, 2, 3)]
    metrics += [Precision(network, 2), Recall(network, 2)]
    ours = {}
    ordered = np.ascontiguousarray(real[reals.order].transpose(0, 3, 1, 2))  # KID draws by place
    batch = Generated(torch.from_numpy(fake.transpose(0, 3, 1, 2).copy()), network, torch.arange(COUNT))
    for metric in metrics:
        metric.take_reals(reals)
        metric.update(batch)
        ours |= metric.compute()
    theirs = calculate_metrics(
        input1=Images(batch.images),
        input2=Images(torch.from_numpy(ordered)),
        cuda=False,
        batch_size=COUNT,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        rng_seed=3,
        feature_extractor="inception-v3-compat",
        feature_layer_prc="2048",
        feature_extractor_weights_path=str(random_inception),
        **{"fid": True, "kid": True, "isc": True, "prc": True},
        **{"kid_subsets": 10, "kid_subset_size": 5, "isc_splits": 2, "prc_neighborhood": 2},
    )
    assert ours == {
        "fid_inception": pytest.approx(theirs["frechet_inception_distance"], rel=1e-4),
        "kid_inception": pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4),
        "is_inception": pytest.approx(theirs["inception_score_mean"], rel=1e-4),
        "precision_inception": pytest.approx(theirs["precision"], rel=1e-6),
        "recall_inception": pytest.approx(theirs["recall"], rel=1e-6),
    }
    assert ours["is_inception"] > 1.001
