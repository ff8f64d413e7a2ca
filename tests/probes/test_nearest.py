import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from ganlab.probes import nearest
from ganlab.probes.nearest import NearestLabels, scores_by_count


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "QUERIES", 7)
    monkeypatch.setattr(nearest, "REFERENCES", 11)
    monkeypatch.setattr(nearest, "PAIRS", 5)


def digits(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, 1, 5, 5), np.uint8)), torch.from_numpy(
        rng.integers(0, 4, count)
    )


def test_equals_scikit_learns() -> None:
    (queries, labels), (samples, classes) = digits(40, 0), digits(100, 1)
    theirs = KNeighborsClassifier(1, algorithm="brute").fit(samples.flatten(1).double(), classes)
    found = NearestLabels(queries)
    for start in range(0, 100, 30):
        found.add(samples[start : start + 30], classes[start : start + 30])
    assert (found.labels.numpy() == theirs.predict(queries.flatten(1).double())).all()
    distances = theirs.kneighbors(queries.flatten(1).double())[0]
    score = found.score(labels)
    assert score.mean_distance == pytest.approx(distances.mean(), rel=1e-12)
    assert score.error == pytest.approx((theirs.predict(queries.flatten(1).double()) != labels.numpy()).mean())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.0, 1e3, 1e4]))
def test_decides_as_float64_does_where_float32_cannot(seed: int, count: int, offset: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    queries = torch.randn(9, 6, generator=rng) * 1e-2 + offset
    samples = torch.randn(count, 6, generator=rng) * 1e-2 + offset
    found = NearestLabels(queries)
    found.add(samples, torch.arange(count))
    exact = (queries.double()[:, None] - samples.double()[None]).square().sum(2)
    assert torch.equal(found.labels, exact.argmin(1)) or torch.equal(
        exact.gather(1, found.labels[:, None])[:, 0], exact.min(1).values
    )
    assert torch.equal(found.distances, exact.min(1).values)


def test_the_earliest_of_equals_stays() -> None:
    found = NearestLabels(torch.zeros(1, 3))
    found.add(torch.ones(30, 3), torch.arange(30))
    found.add(-torch.ones(3, 3), torch.tensor([50, 51, 52]))
    assert found.labels.tolist() == [0] and found.samples == 33


def test_scores_along_a_stream() -> None:
    (queries, labels), (samples, classes) = digits(20, 0), digits(50, 1)
    taken = []

    def stream():
        for start in range(0, 50, 8):
            taken.append(start)
            yield samples[start : start + 8], classes[start : start + 8]

    scores = list(scores_by_count(queries, labels, stream(), [5, 8, 20]))
    assert [score.samples for score in scores] == [5, 8, 20] and taken == [0, 8, 16]
    for score in scores:
        alone = NearestLabels(queries)
        alone.add(samples[: score.samples], classes[: score.samples])
        assert alone.score(labels) == score
    assert [score.samples for score in scores_by_count(queries, labels, stream(), [10, 1000])] == [10, 50]
    with pytest.raises(ValueError, match="9 values each, and the queries 25"):
        NearestLabels(queries).add(torch.zeros(2, 9), torch.zeros(2))
