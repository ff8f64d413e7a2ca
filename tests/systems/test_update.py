import pytest

from ganlab.systems.update import Phase, alternating, sequential, simultaneous

D, G = ("discriminator",), ("generator",)


def test_sequential_shares_the_fakes_of_the_last_d_step_with_the_first_g_step() -> None:
    assert sequential() == ((Phase(D), Phase(G, fresh=False)),)
    assert sequential(d_steps=2, g_steps=2) == ((Phase(D),), (Phase(D), Phase(G, fresh=False), Phase(G)))


def test_alternating_takes_one_step_a_minibatch_and_g_first() -> None:
    assert alternating() == ((Phase(G),), (Phase(D),))
    assert alternating(d_steps=2) == ((Phase(G),), (Phase(D),), (Phase(D),))


def test_simultaneous_moves_both_players_at_once() -> None:
    assert simultaneous() == ((Phase(("discriminator", "generator")),),)


@pytest.mark.parametrize("steps", [{"d_steps": 0}, {"g_steps": -1}])
def test_no_player_may_sit_out(steps: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        sequential(**steps)
