import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.latent.directions import (
    along,
    classification_direction,
    multiples,
    orthogonalise,
    regression_direction,
    turn_vector,
)


def uniform(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_turn_vector_leads_from_left_to_right_in_rows_of_eleven():
    left, right = torch.tensor([[0.0, 0], [2, 0]]), torch.tensor([[3.0, 1], [3, 3]])
    assert turn_vector(left, right).tolist() == [2, 2]
    rows = along(torch.zeros(5, 2), turn_vector(left, right), 11)
    assert rows.shape == (5, 11, 2)
    assert rows[0, 0].tolist() == [-2, -2] and rows[0, 5].tolist() == [0, 0] and rows[0, 10].tolist() == [2, 2]
    with pytest.raises(ValueError, match="1 steps along a direction"):
        multiples(1, 1.0)
    assert multiples(5, 2.0).tolist() == [-2, -1, 0, 1, 2]


def test_a_linear_value_is_found_exactly():
    latents, true = uniform(50, 8), torch.nn.functional.normalize(uniform(1, 8, 1)[0], dim=0)
    torch.testing.assert_close(regression_direction(latents, 3 * latents @ true - 7), true)
    torch.testing.assert_close(regression_direction(latents, 5 - latents @ true), -true)


def test_a_label_is_found_by_its_boundary():
    latents, true = uniform(3000, 8), torch.nn.functional.normalize(uniform(1, 8, 1)[0], dim=0)
    assert float(classification_direction(latents, (latents @ true > 0.2).long()) @ true) > 0.99


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_what_is_left_stands_upright_on_the_others(seed):
    direction, *others = uniform(5, 9, seed)
    dependent = torch.stack([*others, others[0] + others[1]])  # of rank 4
    left = orthogonalise(direction, dependent)
    assert float(left.norm()) == pytest.approx(1, abs=1e-5)
    assert float((dependent @ left).abs().max()) < 1e-5
    torch.testing.assert_close(orthogonalise(left, dependent), left, atol=1e-5, rtol=0)


def test_mistakes_are_reported():
    latents = uniform(50, 8)
    for values, message in (
        (torch.ones(50), "all values are 1.0"),
        (torch.arange(49.0), "give one value per latent"),
    ):
        with pytest.raises(ValueError, match=message):
            regression_direction(latents, values)
    with pytest.raises(ValueError, match="more than 8"):
        regression_direction(latents[:8], torch.arange(8.0))
    with pytest.raises(ValueError, match="give 0 for without"):
        classification_direction(latents, torch.arange(50) % 3)
    with pytest.raises(ValueError, match="lies within the span of the others"):
        orthogonalise(latents[0], latents[:1] * 2)
