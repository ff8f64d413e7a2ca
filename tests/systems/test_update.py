import pytest
import torch

from ganlab.systems.update import (
    Phase,
    Player,
    alternating,
    generator_first,
    in_turn,
    repeated,
    resolve_roles,
    sequential,
    simultaneous,
)

D, G = ("discriminator",), ("generator",)


def test_sequential_shares_the_fakes_of_the_last_d_step_with_the_first_g_step() -> None:
    assert sequential() == ((Phase(D), Phase(G, fresh=False)),)
    assert sequential(fresh=True) == ((Phase(D), Phase(G)),)
    assert sequential(d_steps=2, g_steps=2) == ((Phase(D),), (Phase(D), Phase(G, fresh=False), Phase(G)))


def test_alternating_takes_one_step_a_minibatch_and_g_first() -> None:
    assert alternating() == ((Phase(G),), (Phase(D),))
    assert alternating(d_steps=2) == ((Phase(G),), (Phase(D),), (Phase(D),))


def test_simultaneous_moves_both_players_at_once() -> None:
    assert simultaneous() == ((Phase(("discriminator", "generator")),),)


@pytest.mark.parametrize("steps", [{"d_steps": 0}, {"g_steps": -1}])
def test_no_player_may_sit_out(steps: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be a whole number from 1 to 10000"):
        sequential(**steps)


def test_generator_first_shares_its_fakes_with_d() -> None:
    assert generator_first() == ((Phase(G), Phase(D, fresh=False)),)


def test_repeated_steps_are_on_one_minibatch_with_fresh_fakes_each() -> None:
    assert repeated(3, 2) == ((Phase(D), Phase(D), Phase(D), Phase(G), Phase(G)),)
    with pytest.raises(ValueError, match="must be a whole number from 1 to 10000"):
        repeated(d_steps=0)


def test_in_turn_each_player_steps_by_itself() -> None:
    assert in_turn(["g_a", "d_a"]) == ((Phase(("g_a",)), Phase(("d_a",))),)
    with pytest.raises(ValueError, match="names nobody"):
        in_turn([])


def test_a_role_stands_for_its_players_in_their_order() -> None:
    roles = {"g_a": "generator", "d_a": "discriminator", "g_b": "generator"}
    players = {name: Player((name,), torch.optim.SGD, role) for name, role in roles.items()}
    (iteration,) = resolve_roles(sequential(), players, roles)
    assert iteration == (Phase(("d_a",)), Phase(("g_a", "g_b"), fresh=False))
    assert resolve_roles(in_turn(["g_b"]), players, roles) == ((Phase(("g_b",)),),)
    with pytest.raises(ValueError, match="update names g_c: the players are g_a, d_a, g_b"):
        resolve_roles(in_turn(["g_c"]), players, roles)
    twice = Phase(("generator", "g_b"))
    assert resolve_roles(((twice,),), players, roles) == ((Phase(("g_a", "g_b")),),)
    with pytest.raises(ValueError, match="must begin with a phase that draws fresh fakes"):
        resolve_roles(((Phase(D, fresh=False),),), players, roles)
    with pytest.raises(ValueError, match="players train g_a, d_a, g_b: d_a is missing or has two players"):
        resolve_roles(sequential(), players, {"g_a": None, "g_b": None})
    shared = players | {"other": Player(("g_a",), torch.optim.SGD, "generator")}
    with pytest.raises(ValueError, match="g_a is missing or has two players"):
        resolve_roles(sequential(), shared, roles)
