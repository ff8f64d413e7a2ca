import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.data.packs.pack import Pack
from ganlab.data.references import of_pairs
from ganlab.errors import UserError
from ganlab.metrics.reals import Reals


@pytest.fixture
def reals_of(pack_of: Callable[[np.ndarray], Any]) -> Callable[..., Reals]:
    return lambda images, count=5, batch_size=4, seed=0: Reals(
        pack_of(images), count, batch_size, seed, torch.device("cpu")
    )


def test_sample_is_seeded_and_whole_where_the_pack_is_small(reals_of: Callable[..., Reals]) -> None:
    images = np.arange(12, dtype=np.uint8).repeat(3 * 4).reshape(12, 2, 2, 3)
    drawn = torch.cat(list(reals_of(images).sample()))
    assert drawn.shape == (5, 3, 2, 2)
    assert torch.equal(drawn, torch.cat(list(reals_of(images, batch_size=2).sample())))
    assert not torch.equal(drawn, torch.cat(list(reals_of(images, seed=1).sample())))
    everything = torch.cat(list(reals_of(images, count=100).sample()))
    assert sorted(everything[:, 0, 0, 0].tolist()) == list(range(12))


def test_statistics_are_kept_next_to_the_pack(
    reals_of: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type, tmp_path: Path
) -> None:
    images = noise(10, 2, 2, 1)
    first, again = pixels(4), pixels(4)
    statistics = reals_of(images).statistics(first)
    assert (statistics.count, first.batches) == (10, 3)
    assert np.allclose(statistics.mean.numpy(), images.reshape(10, 4).mean(axis=0))
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("statistics-pixels-")
    assert torch.equal(reals_of(images).statistics(again).outer, statistics.outer)
    assert again.batches == 0


@pytest.mark.parametrize("change", ["images", "protocol", "truncated", "garbage", "other", "nan"])
def test_stale_or_damaged_statistics_are_computed_again(
    change: str, reals_of: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type, tmp_path: Path
) -> None:
    images = noise(10, 2, 2, 1)
    reals_of(images).statistics(pixels(4))
    (file,) = tmp_path.iterdir()
    features = pixels(4)
    if change == "images":
        images = noise(10, 2, 2, 1, seed=1)
    elif change == "protocol":
        features.resize = "another"
    elif change in ("other", "nan"):  # a whole file of other values
        with np.load(file) as opened:
            known = dict(opened)
        known["outer"] = known["outer"] * (1e30 if change == "other" else np.nan)
        np.savez(file, **known)
    else:
        file.write_bytes(file.read_bytes()[:200] if change == "truncated" else b"garbage")
    mean = reals_of(images).statistics(features).mean
    assert features.batches == 3
    assert np.allclose(mean.numpy(), images.reshape(10, 4).mean(axis=0))
    reals_of(images).statistics(features)
    assert features.batches == 3


def test_crops_and_resizes_of_one_pack_are_kept_side_by_side(
    reals_of: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type, tmp_path: Path
) -> None:
    images, other = noise(10, 4, 4, 1), pixels(16)
    other.resize = "another"
    for reals, features in ((images, pixels(16)), (images[:, 1:3, 1:3], pixels(4)), (images, other)):
        reals_of(reals).statistics(features)
    assert len(list(tmp_path.iterdir())) == 3


def test_statistics_of_both_directions_of_pairs_are_kept_side_by_side(
    noise: Callable[..., np.ndarray], pixels: type, tmp_path: Path
) -> None:
    arrays = {name: noise(10, 2, 2, 1, seed=seed) for seed, name in enumerate(("inputs", "targets"))}
    facts = {name: {"crc32": zlib.crc32(array.tobytes())} for name, array in arrays.items()}
    pack = Pack(tmp_path, {"count": 10, "arrays": facts}, arrays)
    for again in (False, True):
        for reverse, name in ((False, "targets"), (True, "inputs")):
            network = pixels(4)
            reals = Reals(of_pairs(pack, reverse=reverse).reals, 5, 4, 0, torch.device("cpu"))
            expected = arrays[name].reshape(10, 4).mean(axis=0)
            assert np.allclose(reals.statistics(network).mean.numpy(), expected)
            assert network.batches == (0 if again else 3)
    assert len(list(tmp_path.iterdir())) == 2


def test_features_of_the_sample_are_kept_and_a_shorter_sample_is_their_beginning(
    reals_of: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type, tmp_path: Path
) -> None:
    images, network = noise(10, 2, 2, 1), pixels(4)
    reals = reals_of(images, count=7)
    features = reals.features(network)
    assert (features.dtype, network.batches) == (torch.float32, 2)
    assert torch.equal(features, torch.cat(list(reals.sample())).flatten(1).float())
    assert torch.equal(reals_of(images, count=3).features(network), features[:3])
    assert network.batches == 2
    assert len(reals_of(images, count=100).features(network)) == 10
    assert network.batches == 5
    assert not torch.equal(reals_of(images, count=7, seed=1).features(network), features)
    assert len(list(tmp_path.iterdir())) == 2


def test_statistics_of_a_class(labelled: Callable[..., Any], noise: Callable[..., np.ndarray], pixels: type) -> None:
    images, labels = noise(10, 2, 2, 1), np.arange(10) % 3
    reals = Reals(labelled(images, labels), 5, 4, 0, torch.device("cpu"))
    statistics = reals.statistics(pixels(4), label=2)
    assert statistics.count == 3
    assert np.allclose(statistics.mean.numpy(), images[labels == 2].reshape(3, 4).mean(axis=0))
    assert reals.statistics(pixels(4), label=0).count == 4


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(
    reals_of: Callable[..., Reals],
    noise: Callable[..., np.ndarray],
    pixels: type,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reals = reals_of(noise(10, 2, 2, 1))
    shutil.rmtree(tmp_path)
    assert reals.statistics(pixels(4)).count == 10
    assert "cannot cache" in caplog.text


def test_halves_are_disjoint_and_together_everything(
    reals_of: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type
) -> None:
    images = noise(11, 2, 2, 1)
    first, second = reals_of(images).halves(pixels(4))
    assert (first.count, second.count) == (5, 6)
    assert np.allclose((first.total + second.total).numpy(), images.reshape(11, 4).sum(axis=0))


def test_almost_no_images_are_refused(
    reals_of: Callable[..., Reals], noise: Callable[..., np.ndarray], pixels: type
) -> None:
    reals = reals_of(noise(3, 2, 2, 1))
    for measure in (reals.statistics, reals.features, reals.halves):
        with pytest.raises(UserError, match="at least 4 real images, .* holds 3"):
            measure(pixels(4))
