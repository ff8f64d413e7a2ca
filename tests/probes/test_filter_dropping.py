import numpy as np
import pytest
import torch

from ganlab.networks import dcgan
from ganlab.networks.statistics import sampling
from ganlab.probes.filter_dropping import against_random, compare, dropping, layer_from_top, positions, regress
from ganlab.probes.layers import find_layers, recorded


def test_the_second_highest_layer_of_the_papers_generator() -> None:
    layer = layer_from_top(dcgan.Generator(64, width=8), 2, torch.zeros(1, 100))
    assert (layer.name, layer.end, layer.channels, layer.height) == ("upsample.1.0", "upsample.1.2", 2 * 8, 16)
    assert layer_from_top(dcgan.Generator(64, width=8), 1, torch.zeros(1, 100)).channels == 8
    for number in (0, 2):
        with pytest.raises(
            ValueError, match=f"layer={number} does not exist: the generator has 1 convolutional layers"
        ):
            layer_from_top(dcgan.Generator(16, width=2), number, torch.zeros(1, 100))


def test_positions_are_halved_between_inside_and_outside() -> None:
    maps = torch.arange(3 * 2 * 16.0).view(3, 2, 4, 4)
    boxes = {2: np.array([[0, 0, 0.5, 0.25]]), 0: np.array([[0.5, 0.5, 1, 1]])}
    features, inside, samples = positions(maps, boxes, np.random.default_rng(0))
    assert samples.tolist() == [0] * 8 + [2] * 4 and inside.sum() == 6
    assert features[samples == 2][:2].tolist() == [[64, 80], [65, 81]]  # the upper left cells of sample 2


def planted(count: int = 40) -> tuple[torch.Tensor, dict[int, np.ndarray]]:
    """Maps of noise, of which 1 and 4 are larger, and 2 smaller, where the boxes are."""
    rng = np.random.default_rng(0)
    maps = np.abs(rng.normal(size=(count, 6, 8, 8))).astype(np.float32)
    boxes = {}
    for number in range(count):
        x, y = rng.integers(0, 6, 2)
        boxes[number] = np.array([[x, y, x + 2, y + 2]], np.float32) / 8
        maps[number, [1, 4], y : y + 2, x : x + 2] += 3
        maps[number, 2, y : y + 2, x : x + 2] *= 0.1
    return torch.from_numpy(maps), boxes


def test_the_maps_that_draw_the_thing_are_found() -> None:
    result = regress(*planted())
    assert set(result.strongest(2)) == {1, 4} <= set(result.positive) and 2 not in result.positive
    assert result.accuracy > 0.95 and result.inside == 40 * 4
    maps, boxes = planted()
    assert regress(maps * torch.tensor([1, 1e3, 1, 1, 1e-3, 1])[:, None, None], boxes).strongest(2) in ([1, 4], [4, 1])


def test_too_little_to_learn_from() -> None:
    maps, boxes = planted()
    with pytest.raises(ValueError, match="3 samples have boxes"):
        regress(maps, {number: boxes[number] for number in range(3)})
    with pytest.raises(ValueError, match="contain 0 positions of the 8x8 feature maps"):
        regress(maps, {number: np.array([[0, 0, 0.01, 0.01]]) for number in range(8)})


def test_dropping() -> None:
    torch.manual_seed(0)
    generator, latents = dcgan.Generator(32, width=2).eval(), torch.rand(3, 100)
    layer, last = layer_from_top(generator, 2, latents[:1]), find_layers(generator, latents[:1])[-1]
    with sampling(generator, "running"), recorded(generator, [layer, last]) as maps:
        before = generator(latents)
        kept = maps[layer.name].clone()
        with dropping(generator, layer, [0, 3]), recorded(generator, [layer]) as dropped:
            without = generator(latents)
        assert dropped[layer.name][:, [0, 3]].abs().max() == 0
        others = [number for number in range(layer.channels) if number not in (0, 3)]
        assert torch.equal(dropped[layer.name][:, others], kept[:, others])
        assert not torch.equal(without, before) and torch.equal(generator(latents), before)
        with dropping(generator, layer, []):
            assert torch.equal(generator(latents), before)


def test_scores_by_hand() -> None:
    before, after = np.zeros((3, 4, 4), int), np.zeros((3, 4, 4), int)
    before[:2, :2, :2] = 5  # two samples with a window of 4 pixels; kinds: 0 wall, 1 bed, 5 window
    before[:, 3] = after[:, 3] = 1
    after[1, :2, :1] = 5  # in the first it is gone, in the second half is left
    after[2, 3, :2] = 0  # half of the third's bed turned to wall
    result = compare(before, after, [5])
    assert (result.gone, result.area, result.showing) == (0.5, 0.75, 2)
    assert result.by_class[1] == pytest.approx(2 / 12) and result.by_class[0] == pytest.approx(2 / 30)
    assert result.others == pytest.approx((2 / 12 + 2 / 30) / 2)
    assert compare(before, before, [5]).area == compare(before, before, [5]).others == 0
    with pytest.raises(ValueError, match="none of 3 samples shows"):
        compare(before, after, [7])


def test_random_choices_are_as_many() -> None:
    asked = []

    def score(dropped: list[int]):
        asked.append(dropped)
        return compare(np.ones((1, 2, 2)), np.zeros((1, 2, 2)), [1])

    result, others = against_random(score, 10, [2, 3, 5], 4)
    assert asked[0] == [2, 3, 5] and len(others) == 4 and result.gone == 1
    assert all(len(set(choice)) == 3 and max(choice) < 10 for choice in asked)
