import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganlab.systems.schedules import Cosine, Exponential, Linear


def test_golden_values() -> None:
    linear, cosine, exponential = Linear(300, 100, 0.2), Cosine(300, 100, 0.2), Exponential(100, 0.1)
    assert [linear(images) for images in (0, 100, 150, 200, 300, 999)] == pytest.approx([1, 1, 0.8, 0.6, 0.2, 0.2])
    assert [cosine(images) for images in (0, 100, 200, 300, 999)] == pytest.approx([1, 1, 0.6, 0.2, 0.2])
    assert cosine(150) == pytest.approx(0.2 + 0.8 * (1 + 2**-0.5) / 2)
    assert [exponential(images) for images in (0, 100, 200, 1000)] == pytest.approx([1, 0.5, 0.25, 0.1])


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_rates_never_rise(one: int, other: int) -> None:
    for schedule in (Linear(700, 30), Cosine(700, 30, 0.3), Exponential(50)):
        assert schedule(max(one, other)) <= schedule(min(one, other))


def test_impossible_values_are_refused() -> None:
    for kind in (Linear, Cosine):
        with pytest.raises(ValueError, match=r"schedule\.until=5 must be after schedule\.start=5"):
            kind(5, 5)
    with pytest.raises(ValueError, match="half_life=0 must be a number above 0"):
        Exponential(0)
