"""Update rules: which players take a step on which minibatch, as a value.

A rule is an endlessly repeated tuple of iterations. An iteration is what happens on one minibatch of reals: a tuple of
phases.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import Optimizer

from ganlab.arguments import Repeats, checked

GENERATOR, DISCRIMINATOR = "generator", "discriminator"  # roles, and the players of a system with one of each


@dataclass(frozen=True)
class Player:
    """One side of the game.

    Attributes:
        networks: names of the networks that it trains; two players never share one.
        optimizer: makes its one optimiser from the parameters of all of them.
        role: ``generator``, whose gradients come through the fakes, or ``discriminator``.
    """

    networks: tuple[str, ...]
    optimizer: Callable[[Iterator[nn.Parameter]], Optimizer]
    role: str


@dataclass(frozen=True)
class Phase:
    """One optimiser step of each of its players. All gradients are taken before the first of them steps.

    Attributes:
        players: names of players, or roles: a role stands for every player that has it.
        fresh: whether new fakes are drawn; other phases share the fakes of the phase before.
    """

    players: tuple[str, ...]
    fresh: bool = True


Iteration = tuple[Phase, ...]
UpdateRule = tuple[Iteration, ...]


def resolve_roles(rule: UpdateRule, players: Mapping[str, Player], networks: Container[str]) -> UpdateRule:
    """Return a rule whose phases name players only, those of a role in the order of ``players``.

    Raises:
        ValueError: a phase names neither a player nor a role that a player has; an iteration begins without fakes;
            or a player trains a network that is missing or another's.
    """
    trained = [name for player in players.values() for name in player.networks]
    if wrong := [name for name in trained if name not in networks or trained.count(name) > 1]:
        raise ValueError(f"players train {', '.join(trained)}: {wrong[0]} is missing or has two players")
    if not rule or not all(iteration and iteration[0].fresh for iteration in rule):
        raise ValueError("update: every iteration must begin with a phase that draws fresh fakes")
    by_name: dict[str, list[str]] = {}
    for name, player in players.items():
        by_name.setdefault(player.role, []).append(name)
    by_name |= {name: [name] for name in players}
    if unknown := {name for iteration in rule for phase in iteration for name in phase.players} - by_name.keys():
        raise ValueError(f"update names {', '.join(sorted(unknown))}: the players are {', '.join(players)}")

    def resolved(phase: Phase) -> Phase:
        return Phase(tuple(dict.fromkeys(each for name in phase.players for each in by_name[name])), phase.fresh)

    return tuple(tuple(resolved(phase) for phase in iteration) for iteration in rule)


@checked
def sequential(d_steps: Repeats = 1, g_steps: Repeats = 1, fresh: bool = False) -> UpdateRule:
    """D steps, each on a minibatch of its own, then G steps; the first G step shares the last D step's fakes.

    Algorithm 1 of Goodfellow et al. 2014, and PyTorch's DCGAN tutorial with one step each. With ``fresh`` every G step
    draws fakes of its own (Progressive GAN).
    """
    alone: Iteration = (Phase((DISCRIMINATOR,)),)
    last: Iteration = (
        Phase((DISCRIMINATOR,)),
        Phase((GENERATOR,), fresh),
        *(Phase((GENERATOR,)) for _ in range(g_steps - 1)),
    )
    return (alone,) * (d_steps - 1) + (last,)


@checked
def alternating(d_steps: Repeats = 1, g_steps: Repeats = 1) -> UpdateRule:
    """One step a minibatch: ``g_steps`` of G, then ``d_steps`` of D (the DCGAN authors' code: G first, then D)."""
    return ((Phase((GENERATOR,)),),) * g_steps + ((Phase((DISCRIMINATOR,)),),) * d_steps


def simultaneous() -> UpdateRule:
    """All players step from the same point of the game, on one minibatch and the same fakes."""
    return ((Phase((DISCRIMINATOR, GENERATOR)),),)


def generator_first() -> UpdateRule:
    """G steps, then D on the same minibatch and the fakes from before G's step (CycleGAN's PyTorch code)."""
    return ((Phase((GENERATOR,)), Phase((DISCRIMINATOR,), fresh=False)),)


@checked
def repeated(d_steps: Repeats = 3, g_steps: Repeats = 3) -> UpdateRule:
    """D steps, then G steps, all on one minibatch, each with fresh fakes (SinGAN)."""
    return ((Phase((DISCRIMINATOR,)),) * d_steps + (Phase((GENERATOR,)),) * g_steps,)


@checked
def in_turn(players: Sequence[str]) -> UpdateRule:
    """Each player by itself, in this order, on one minibatch with fresh fakes (CycleGAN's Lua code)."""
    if not players:
        raise ValueError("update.players=[] names nobody: list the players in the order of their steps")
    return (tuple(Phase((name,)) for name in players),)
