import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from ganlab.probes.few_labels import balanced_draw, measure_few_labels
from ganlab.probes.linear import choose_svm, cross_entropy, fit_logistic, fit_svm, linear_probe, squared_hinge
from ganlab.probes.solver import Linear


def examples(count: int = 300, width: int = 20, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes that overlap, and features of one sign as those after ReLUs are."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = np.random.default_rng(99).normal(size=(classes, width))
    return np.abs(centres[labels] + 1.5 * rng.normal(size=(count, width))), labels


@pytest.mark.parametrize("c", [1e-3, 1.0])
@pytest.mark.parametrize("scaling", [1.0, 10.0])
def test_svm_equals_scikit_learns(c: float, scaling: float) -> None:
    features, labels = examples()
    theirs = LinearSVC(C=c, dual=False, loss="squared_hinge", intercept_scaling=scaling, tol=1e-8, max_iter=10_000)
    theirs.fit(features, labels)
    options = {"intercept_scaling": scaling, "tolerance": 1e-7, "dtype": torch.float64}
    ours = fit_svm(features, labels, c, chunk=77, **options)
    assert ours.converged
    np.testing.assert_allclose(ours.weights.T, theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercepts, theirs.intercept_, atol=1e-4)
    assert (ours.predict(features).numpy() == theirs.predict(features)).all()


def test_single_precision_at_the_default_tolerance_is_near() -> None:
    features, labels = examples(width=60)
    theirs = LinearSVC(C=0.01, dual=False, tol=1e-8, max_iter=10_000).fit(features, labels)
    ours = fit_svm(features.astype(np.float32), labels, 0.01)
    assert ours.converged and ours.weights.dtype == torch.float32
    np.testing.assert_allclose(ours.weights.T, theirs.coef_, atol=1e-3 * np.abs(theirs.coef_).max())
    assert (ours.predict(features).numpy() == theirs.predict(features)).mean() >= 0.99


@pytest.mark.parametrize("loss", [squared_hinge, cross_entropy])
def test_slopes_are_derivatives(loss) -> None:
    scores = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    total, slope = loss(scores, torch.tensor([0, 1, 2, 2, 1]))
    torch.testing.assert_close(torch.autograd.grad(total, scores)[0], slope)


def test_logistic_regression_equals_scikit_learns() -> None:
    features, labels = examples()
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000).fit(features, labels)
    ours = fit_logistic(features, labels, 0.1, tolerance=1e-7, dtype=torch.float64)
    np.testing.assert_allclose(ours.weights.T, theirs.coef_, atol=1e-4)
    middle = theirs.intercept_ - theirs.intercept_.mean()  # unregularised intercepts are unique up to a constant
    np.testing.assert_allclose(ours.intercepts - ours.intercepts.mean(), middle, atol=1e-3)


def test_a_start_and_memory_maps_change_nothing(tmp_path) -> None:
    features, labels = examples()
    np.save(tmp_path / "features.npy", features.astype(np.float32))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    first = fit_svm(features, labels, 0.1, tolerance=1e-7, dtype=torch.float64)
    second = fit_svm(mapped, labels, 0.1, tolerance=1e-7, dtype=torch.float64, start=first)
    torch.testing.assert_close(first.weights, second.weights, atol=1e-4, rtol=1e-4)
    assert second.steps < first.steps


def test_c_is_chosen_by_validation() -> None:
    train, held_out = examples(80, 40), examples(200, 40, seed=1)
    grid, options = (1e-5, 1e-3, 1e-1), {"dtype": torch.float64, "tolerance": 1e-5}
    choice = choose_svm(train, held_out, grid, **options)
    errors = {c: 1 - fit_svm(*train, c, **options).accuracy(*held_out) for c in grid}
    assert choice.errors == pytest.approx(errors, abs=0.006) and choice.c == min(errors, key=errors.__getitem__)
    with pytest.raises(ValueError, match="empty"):
        choose_svm(train, held_out, ())


def test_linear_probe_answers() -> None:
    accuracy, choice = linear_probe(examples(200), examples(100, seed=1), examples(400, seed=2), dtype=torch.float64)
    assert accuracy > 0.4 and set(choice.errors) == {1e-3, 1e-2, 1e-1, 1.0, 10.0}


def test_what_did_not_converge_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    features, labels = examples()
    assert not fit_svm(features, labels, 10.0, tolerance=1e-9, max_steps=2).converged
    assert "did not converge in 2 steps" in caplog.text


def test_balanced_draws() -> None:
    labels = np.repeat([0, 1, 2], [5, 7, 9])
    drawn = balanced_draw(labels, 5, np.random.default_rng(0))
    assert len(set(drawn.tolist())) == 15 and (np.bincount(labels[drawn]) == 5).all()
    with pytest.raises(ValueError, match="class 0 has 5 examples, fewer than 6"):
        balanced_draw(labels, 6, np.random.default_rng(0))


def test_few_labels() -> None:
    train, validation, test = (examples(200, seed=seed) for seed in range(3))
    options = {"per_class": 8, "grid": (1e-4, 1e-2), "choosing": 2, "testing": 3}
    result = measure_few_labels(train, validation, test, **options)
    assert set(result.validation) == {1e-4, 1e-2} and len(set(result.errors)) > 1 and len(result.errors) == 3
    assert result.mean == pytest.approx(np.mean(result.errors)) and result.mean < 0.6
    assert result.spread == pytest.approx(1.96 * np.std(result.errors))
    assert measure_few_labels(train, validation, test, **options) == result


def test_linear_scores_are_affine() -> None:
    linear = Linear(torch.ones(2, 3), torch.arange(3.0), True, 1, 0.0)
    assert linear.scores(np.array([[1.0, 2.0]], np.float32)).tolist() == [[3.0, 4.0, 5.0]]
