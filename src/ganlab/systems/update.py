"""Update rules: who takes a step on which minibatch, as a value.

A rule is an endlessly repeated tuple of turns; a turn, a tuple of phases, is what happens on one minibatch of reals.
"""

from dataclasses import dataclass

GENERATOR, DISCRIMINATOR = "generator", "discriminator"


@dataclass(frozen=True)
class Phase:
    """One optimiser step of each of its players, their gradients all taken before the first of them steps.

    ``fresh`` phases draw new fakes; the others share the fakes of the phase before, on the same minibatch.
    """

    players: tuple[str, ...]
    fresh: bool = True


Turn = tuple[Phase, ...]
UpdateRule = tuple[Turn, ...]


def sequential(d_steps: int = 1, g_steps: int = 1) -> UpdateRule:
    """D steps, each on a minibatch of its own, then G steps; the first G step shares the last D step's fakes.

    Algorithm 1 of Goodfellow et al. 2014, and PyTorch's DCGAN tutorial with one step each.
    """
    _check(d_steps, g_steps)
    alone: Turn = (Phase((DISCRIMINATOR,)),)
    last: Turn = (
        Phase((DISCRIMINATOR,)),
        Phase((GENERATOR,), fresh=False),
        *(Phase((GENERATOR,)) for _ in range(g_steps - 1)),
    )
    return (alone,) * (d_steps - 1) + (last,)


def alternating(d_steps: int = 1, g_steps: int = 1) -> UpdateRule:
    """One step a minibatch: ``g_steps`` of G, then ``d_steps`` of D (the DCGAN authors' code: G first, then D)."""
    _check(d_steps, g_steps)
    return ((Phase((GENERATOR,)),),) * g_steps + ((Phase((DISCRIMINATOR,)),),) * d_steps


def simultaneous() -> UpdateRule:
    """Both players step from the same point of the game, on one minibatch and the same fakes."""
    return ((Phase((DISCRIMINATOR, GENERATOR)),),)


def _check(d_steps: int, g_steps: int) -> None:
    if d_steps < 1 or g_steps < 1:
        raise ValueError(f"update.d_steps={d_steps} and update.g_steps={g_steps} must both be at least 1")
