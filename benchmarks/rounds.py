"""Rounds: routes that are compared take turns, so that a noisy machine disturbs all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds of one route, the round that warmed up dropped."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the range, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / 2 / self.median


def take_turns(routes: Mapping[str, Callable[[], float | None]], rounds: int, warm_up: bool = True) -> dict[str, Times]:
    """Run every route once a round, and unless ``warm_up`` is false, as for whole processes, once before that.

    A route that returns seconds has measured by itself, else its whole call is timed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in routes}
    for _ in range(rounds + warm_up):
        for name, route in routes.items():
            began = time.perf_counter()
            own = route()
            seconds[name].append(time.perf_counter() - began if own is None else own)
    return {name: Times(values[warm_up:]) for name, values in seconds.items()}
