import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganlab.latent.arithmetic import CENTRE, concept_sum, neighbourhood, pixel_sum


def test_the_sum_of_means_is_exact():
    first, second, third = torch.tensor([[1.0, 2], [3, 4], [5, 9]]), torch.ones(1, 2), torch.tensor([[0.0, 0], [2, 4]])
    assert concept_sum(first, second, third).tolist() == [3 - 1 + 1, 5 - 1 + 2]


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_concept_added_to_itself_less_itself_is_itself(seed):
    a, b = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(seed)).double()
    torch.testing.assert_close(concept_sum(a, b, b), a.mean(0))
    torch.testing.assert_close(concept_sum(a, a, b), b.mean(0))


def test_eight_neighbours_lie_within_a_quarter_around_the_centre():
    centre = torch.linspace(-1, 1, 1000)
    nine = neighbourhood(centre, torch.Generator().manual_seed(0))
    assert nine.shape == (9, 1000) and torch.equal(nine[CENTRE], centre) and CENTRE == 4
    around = (nine - centre)[[0, 1, 2, 3, 5, 6, 7, 8]]
    assert 0.24 < float(around.abs().max()) <= 0.2501
    assert float(around.std()) == pytest.approx(0.25 / 3**0.5, rel=0.03)  # that of a uniform distribution
    assert torch.equal(nine, neighbourhood(centre, torch.Generator().manual_seed(0)))


def test_pixels_are_summed_and_clamped():
    levels = [[[100], [103]], [[50]], [[200]]]
    concepts = [torch.tensor(values, dtype=torch.uint8)[:, :, None, None] for values in levels]
    assert pixel_sum(*concepts).tolist() == [[[252]]]  # 101.5 - 50 + 200 = 251.5, to the even number
    assert pixel_sum(concepts[2], concepts[1], concepts[2]).item() == 255
    assert pixel_sum(concepts[1], concepts[2], concepts[1]).item() == 0
