from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, distributed

from ganlab.objectives.adaptive import Adaptive

CONF = Path(__file__).parents[2] / "conf" / "augment"
FAKE = torch.zeros(8)


def adaptive(**options: object) -> Adaptive:
    published = yaml.safe_load((CONF / "adaptive.yaml").read_text())["adaptive"]
    return Adaptive(**{key: value for key, value in published.items() if key != "_target_"} | options)


def played(augmentation: Adaptive, real: Tensor, calls: int, images: int = 64) -> float:
    for _ in range(calls):
        augmentation.adjust(real, FAKE, images, 0)
    return augmentation.p.item()


def test_p_rises_and_falls_at_the_papers_speed() -> None:
    augmentation = adaptive()
    sure, unsure = torch.ones(8), torch.tensor([1.0, -1.0] * 4)
    assert played(augmentation, sure, 3) == 0  # fewer than 256 images
    assert played(augmentation, sure, 1) == pytest.approx(256 / 500_000)
    assert played(augmentation, sure, 396) == pytest.approx(25_600 / 500_000)
    assert played(augmentation, unsure, 200) == pytest.approx(12_800 / 500_000)
    assert played(augmentation, unsure, 400) == 0


def test_p_stays_below_its_limit() -> None:
    assert played(adaptive(speed=1000, start=0.75), torch.ones(8), 8) == pytest.approx(0.8)


def test_the_signal_is_averaged_over_the_interval() -> None:
    augmentation = adaptive()
    for share in (1.0, 1.0, 1.0, -1.0):  # on average 0.5, below the target
        augmentation.adjust(torch.full((8,), share), FAKE, 64, 0)
    assert augmentation.p.item() == 0
    for share in (1.0, 1.0, 1.0, 0.0):  # on average 0.75
        augmentation.adjust(torch.full((8,), share), FAKE, 64, 0)
    assert augmentation.p.item() == pytest.approx(256 / 500_000)


def test_minibatches_larger_than_the_interval_count_whole() -> None:
    assert played(adaptive(), torch.ones(8), 1, images=1000) == pytest.approx(1000 / 500_000)


def test_a_ranking_needs_no_zero_between_real_and_fake() -> None:
    real = torch.tensor([-5.0, -4.0, -3.0, -2.0])
    fake = torch.tensor([-9.0, -8.0, -7.0, -4.5])  # the real ones are above in 15 of 16 pairs
    for signal, target, rises in (("sign", 0.6, False), ("ranking", 0.87, True), ("ranking", 0.88, False)):
        augmentation = adaptive(signal=signal, target=target, start=0.5)
        augmentation.adjust(real, fake, 256, 0)
        assert (augmentation.p.item() > 0.5) is rises


def test_equal_logits_are_half_above() -> None:
    augmentation = adaptive(signal="ranking", target=0.0, start=0.5)
    augmentation.adjust(FAKE, FAKE, 256, 0)
    assert augmentation.p.item() == 0.5


def test_all_ranks_follow_the_mean_of_their_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
    for other, expected in ((0.5, 256 / 500_000), (0.0, 0.0)):
        monkeypatch.setattr(distributed, "all_reduce", lambda signal, other=other: signal.add_(other))
        assert played(adaptive(), torch.ones(8), 4) == pytest.approx(expected)


def test_what_it_knows_comes_back() -> None:
    augmentation = adaptive()
    played(augmentation, torch.ones(8), 7)
    fresh = adaptive()
    fresh.load_state_dict(augmentation.state_dict())
    assert {*augmentation.state_dict()} == {"p", "total", "counted"}
    assert augmentation.p.dtype == torch.float32
    assert played(fresh, torch.ones(8), 1) == played(augmentation, torch.ones(8), 1) == pytest.approx(512 / 500_000)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_every_transform_happens_with_probability_p(p: float) -> None:
    torch.manual_seed(0)
    augmentation, ones = adaptive(start=p, limit=1.0), torch.ones(2, 20_000)
    happened = augmentation.sometimes(ones, 0)
    assert happened.mean().item() == pytest.approx(p, abs=0.02)
    assert torch.equal(happened[0], happened[1])  # both numbers of an image's transform


def test_a_rotation_happens_with_probability_p() -> None:
    torch.manual_seed(0)
    augmentation = adaptive(start=0.36, blit=False, colour=False)
    matrices = augmentation.placements(torch.zeros(20_000, 1, 32, 32))
    upright = matrices[:, 0, 1].eq(0) & matrices[:, 1, 0].eq(0)
    assert upright.float().mean().item() == pytest.approx(0.64, abs=0.02)


def test_blits_move_whole_pixels() -> None:
    torch.manual_seed(0)
    augmentation = adaptive(start=0.8, geometry=False, colour=False)
    matrices = augmentation.placements(torch.zeros(20_000, 1, 32, 64))
    assert torch.equal(matrices, matrices.round())
    assert matrices[:, :2, :2].det().abs().eq(1).all()
    images = torch.rand(64, 3, 8, 8)
    seen = augmentation(images)
    assert set(seen.flatten().tolist()) <= set(images.flatten().tolist())
    shifted = matrices[(matrices[:, :2, :2] == torch.eye(2)).all(2).all(1)][:, :2, 2]
    assert shifted.abs().amax(0).tolist() == [8, 4]


def test_scales_and_shifts_spread_as_published() -> None:
    torch.manual_seed(0)
    augmentation = adaptive(start=1.0, limit=1.0, blit=False, colour=False)
    matrices = augmentation.placements(torch.zeros(20_000, 1, 32, 32))
    scale = matrices[:, :2, :2].det().abs().log2() / 2  # squeezing keeps areas
    assert scale.mean().item() == pytest.approx(0, abs=0.01) and scale.std().item() == pytest.approx(0.2, abs=0.01)
    colours = adaptive(start=1.0, limit=1.0).colourings(torch.zeros(20_000, 3, 2, 2))
    luma = colours[:, :3, :3].sum((1, 2)) / 3
    assert luma.abs().log2().std().item() == pytest.approx(0.5, abs=0.01)
    assert luma.sign().mean().item() == pytest.approx(0, abs=0.03)
    chroma = (colours[:, :3, :3].det() / luma).abs().log2() / 2 - luma.abs().log2()
    assert chroma.std().item() == pytest.approx(1.0, abs=0.03)
    assert (colours[:, :3, 3].mean(1) / luma).std().item() == pytest.approx(0.2, abs=0.01)


def test_families_are_switched_apart() -> None:
    torch.manual_seed(0)
    grey = torch.full((16, 3, 8, 8), 0.5)
    assert torch.allclose(adaptive(start=0.8, colour=False)(grey), grey)
    assert not torch.allclose(adaptive(start=0.8, blit=False, geometry=False)(grey), grey)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(blit=False, geometry=False, colour=False), "leave one of them true"),
        (dict(signal="mean"), "signal=mean must be sign or ranking"),
        (dict(start=0.9), "start=0.9 lies above limit=0.8"),
    ],
)
def test_mistakes_are_told(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        adaptive(**options)


def test_diffaugment_is_its_three_parts_in_their_order() -> None:
    names = ["colour", "translation", "cutout"]
    whole = yaml.safe_load((CONF / "diffaugment.yaml").read_text())
    assert list(whole) == names
    assert whole == {name: yaml.safe_load((CONF / f"{name}.yaml").read_text())[name] for name in names}
