import pytest
import torch

from ganlab.images import to_bytes, to_floats


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 1.0)])
def test_all_256_levels_survive_the_trip(value_range: tuple[float, float]) -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    floats = to_floats(levels, value_range)
    assert floats.shape == (1, 1, 16, 16)
    assert (floats.min().item(), floats.max().item()) == pytest.approx(value_range)
    assert torch.equal(to_bytes(floats, value_range), levels.permute(0, 3, 1, 2))


def test_values_beyond_the_range_do_not_wrap() -> None:
    assert to_bytes(torch.tensor([-1.2, 1.3]), (-1.0, 1.0)).tolist() == [0, 255]
