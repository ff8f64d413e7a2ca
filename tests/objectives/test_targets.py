import pytest
import torch

from ganlab.objectives.targets import Targets

LOGITS = torch.zeros(20_000)


def test_plain_targets_draw_nothing() -> None:
    state = torch.get_rng_state()
    assert bool(Targets().real(LOGITS).eq(1).all()) and bool(Targets().fake(LOGITS).eq(0).all())
    assert bool(Targets(real=0.9, fake=0.1).fake(LOGITS).eq(0.1).all())
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_is_uniform_around_the_target_and_cut_to_shares() -> None:
    torch.manual_seed(0)
    soft = Targets(real=0.8, noise=0.1).real(LOGITS)
    assert 0.7 <= soft.min() < 0.701 and 0.899 < soft.max() <= 0.9
    assert soft.mean().item() == pytest.approx(0.8, abs=2e-3)
    cut = Targets(noise=0.1).real(LOGITS)
    assert cut.max() == 1 and cut.eq(1).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_a_share_is_flipped() -> None:
    torch.manual_seed(0)
    targets = Targets(real=0.9, fake=0.1, flipped=0.05)
    for drawn, own, other in ((targets.real(LOGITS), 0.9, 0.1), (targets.fake(LOGITS), 0.1, 0.9)):
        assert drawn.isclose(torch.tensor(other)).float().mean().item() == pytest.approx(0.05, abs=0.01)
        assert drawn.isclose(torch.tensor(own)).float().mean().item() == pytest.approx(0.95, abs=0.01)
