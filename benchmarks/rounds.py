"""Rounds: routes that are compared take turns, so that a noisy machine disturbs all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of one route, the first round dropped."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the range, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / 2 / self.median


def take_turns(routes: Mapping[str, Callable[[], float | None]], rounds: int) -> dict[str, Times]:
    """Run every route once a round, and once before that to warm up.

    A route that returns seconds has measured by itself, else its whole call is timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in routes}
    for _ in range(rounds + 1):
        for name, route in routes.items():
            began = time.perf_counter()
            own = route()
            seconds[name].append(time.perf_counter() - began if own is None else own)
    return {name: Times(values[1:]) for name, values in seconds.items()}
